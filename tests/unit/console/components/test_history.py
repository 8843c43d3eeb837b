"""The last changes, and the button that takes one back."""

from __future__ import annotations

from typing import Any

from console.components import history
from console.messages import words
from daemon.core import wire
from tests.support.console.fakes import NOW
from tests.support.console.html import HOSTILE, Reader


def _change(**changes: Any) -> wire.Change:
    return wire.Change(**{"revision": 7, "at": NOW, "actor": HOSTILE, "kind": HOSTILE, "added": 3, **changes})


def test_the_last_change_that_stands_can_be_taken_back() -> None:
    """Revision 8 was taken back by 9: only 7 can be."""
    changes = [
        _change(revision=9, kind="undo"),
        _change(revision=8, kind="add", undone=True),
        _change(revision=7, kind="set", actor="user:editor"),
        _change(revision=6, kind="seed"),
    ]
    page = wire.HistoryPage(changes=changes)
    read = Reader(history.history(page, "acme", words("en")))
    assert [value for name, value in read.attributes if name == "data-revision"] == ["9"], "the base as it was shown"
    assert any(name == "data-sure" and "“Saved text”" in str(value) for name, value in read.attributes)
    assert "by user:editor" in read.text
    assert "3 new" in read.text
    assert "Nothing has been changed" in Reader(history.history(wire.HistoryPage(changes=[]), "acme", words("en"))).text
