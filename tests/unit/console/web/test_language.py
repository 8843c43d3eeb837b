"""The language that a page opens in."""

from __future__ import annotations

import pytest

from console.web.language import choose_language


@pytest.mark.parametrize(
    ("cookie", "header", "language"),
    [
        (None, None, "en"),
        (None, "", "en"),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, "en-US,en;q=0.9,zh;q=0.8", "en"),
        (None, "en;q=0.2, zh-TW;q=0.7", "zh"),
        (None, "fr, de;q=0.9, zh;q=0.1", "zh"),
        (None, "fr", "en"),
        (None, "zh;q=0", "en"),
        (None, "zh;q=nonsense", "en"),
        (None, "zhx", "en"),
        ("en", "zh", "en"),
        ("zh", "en", "zh"),
        ("klingon", "zh", "zh"),
    ],
)
def test_the_switch_then_the_browser_then_english(cookie: str | None, header: str | None, language: str) -> None:
    assert choose_language(cookie, header) == language
