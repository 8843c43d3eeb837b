"""HTML put together from text: all of it is escaped."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.components.markup import el, join, link_target, show_controls, user_text
from tests.support.console.html import Reader


def test_elements_escape_text_and_attributes() -> None:
    made = el(
        "p", "1 < 2 & 3", None, 4, ["a", el("b", "c")], class_="x", data_key='a"b', hidden=True, title=None, on=False
    )
    assert made == '<p class="x" data-key="a&#34;b" hidden>1 &lt; 2 &amp; 34a<b>c</b></p>'
    assert el("br") == "<br>"
    assert join("<", el("i")) == "&lt;<i></i>"


@given(st.text())
def test_whatever_is_typed_comes_back_as_text(typed: str) -> None:
    found = Reader(user_text(typed))
    assert found.tags == ["div"]
    assert found.text.replace("\r", "").replace("\n", "") == show_controls(typed).replace("\r", "").replace("\n", "")


def test_control_characters_and_direction_overrides_are_seen() -> None:
    assert show_controls("a\x00\x1b\x7f\x85\u202eb\n\tc") == "a␀␛␡\N{REPLACEMENT CHARACTER}⟨RLO⟩b\n\tc"


@pytest.mark.parametrize(
    ("value", "linked"),
    [
        ("https://example.org/a?b=1", True),
        ("http://example.org", True),
        ("HTTPS://example.org", True),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("//example.org", False),
        ("/etc", False),
        ("https:evil", False),
        ("https://", False),
        (" https://example.org", False),
        ("https://a b", False),
        ("https://a\nb", False),
        ("https://[", False),
        ("java\tscript:x", False),
        (5, False),
        (None, False),
    ],
)
def test_only_web_addresses_are_links(value: Any, linked: bool) -> None:
    assert link_target(value) == (value if linked else None)
