"""Words for file formats; one that no message knows is offered by its own name."""

from __future__ import annotations

from typing import Any

import pytest

from console.components.files import files
from console.messages import words
from console.view_models.formats import bad_type, import_hint
from daemon.core import formats

NAME: Any = "parquet"
PARQUET = formats.Format(NAME, "Parquet", (".parquet", ".pq"), ("application/vnd.apache.parquet",), "rows", "rows")


def test_a_format_without_messages_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "FORMATS", (formats.TXT, formats.CSV, formats.JSONL, PARQUET))
    t = words("zh")
    assert import_hint(t) == (
        "最大 64 MB：文本（.txt，每行一个条目）、电子表格（.csv，含“text”列）、"
        "JSON Lines (.jsonl)、Parquet (.parquet)。"
    )
    shown = str(files("acme", t))
    assert 'href="/export/acme?format=parquet"' in shown
    assert ">Parquet</a>" in shown


def test_english_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "FORMATS", (formats.TXT, formats.CSV, formats.JSONL))
    t = words("en")
    assert import_hint(t) == (
        "Up to 64 MB: text (.txt, one entry per line), spreadsheet (.csv with a column “text”), JSON Lines (.jsonl)."
    )
    assert bad_type(t).endswith(f"can be read: {', '.join(formats.SUFFIXES)}")
