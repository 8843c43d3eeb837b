"""A base as one text field: its lines, differences and merges."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from console.view_models import lines as vm
from daemon.core import wire

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def _entry(number: int, text: str) -> wire.Entry:
    return wire.Entry(id=number, text=text, created_at=NOW, updated_at=NOW)


def test_only_line_feeds_end_a_line_and_blank_lines_are_none() -> None:
    typed = vm.typed_lines("one\r\n\n  two\u2028still two \n\t\nthree\x0bthree\r")
    assert typed == vm.Typed(("one", "two\u2028still two", "three\x0bthree"), (1, 3, 5))


def test_the_difference_says_what_is_added_removed_and_refused() -> None:
    typed = vm.typed_lines("kept\n\nnew one\nno\nnew one")
    refused = [
        wire.Refused(line=3, text="no", kind="too-short", reason="r"),
        wire.Refused(line=4, text="new one", kind="duplicate", reason="r"),
    ]
    found = vm.difference(["kept", "gone"], typed, refused)
    assert (found.added, found.removed, found.unchanged) == (("new one",), ("gone",), 1)
    assert [(one.line, one.text) for one in found.refused] == [(4, "no"), (5, "new one")]
    assert found.saveable
    assert not found.nothing


def test_composed_and_decomposed_letters_are_the_same_text() -> None:
    found = vm.difference(["caf\u00e9"], vm.typed_lines(" cafe\u0301 "), [])
    assert found.nothing
    assert not found.saveable


def test_entries_of_several_lines_need_the_table() -> None:
    assert vm.fits_lines([_entry(1, "one line")], 1)
    assert not vm.fits_lines([_entry(1, "two\nlines")], 1)
    assert not vm.fits_lines([_entry(1, "two\rlines")], 1)
    assert not vm.fits_lines([_entry(1, "one line")], vm.MAX_LINES + 1)


def test_merging_keeps_mine_and_brings_theirs() -> None:
    base = ["a", "b", "c", "d"]
    mine = "a\nb, changed by me\nc\nd\nmine\n"
    theirs = ["a", "b", "d", "theirs"]
    assert vm.merge(base, mine, theirs) == "a\nb, changed by me\nd\nmine\ntheirs"


_lines = st.lists(st.text(st.characters(exclude_characters="\n\r"), min_size=1, max_size=5).map(str.strip), max_size=6)


@given(base=_lines, mine=_lines, theirs=_lines)
def test_merging_loses_no_line_that_is_new(base: list[str], mine: list[str], theirs: list[str]) -> None:
    merged = {vm.same_text(line) for line in vm.merge(base, "\n".join(mine), theirs).split("\n")}
    before = {vm.same_text(line) for line in base}
    for line in [*mine, *theirs]:
        if line and vm.same_text(line) not in before:
            assert vm.same_text(line) in merged


@given(base=_lines, typed=_lines)
def test_the_difference_leads_from_one_list_to_the_other(base: list[str], typed: list[str]) -> None:
    base = [text for text in base if text]
    found = vm.difference(base, vm.typed_lines("\n".join(typed)), [])
    after = ({vm.same_text(t) for t in base} - set(map(vm.same_text, found.removed))) | set(
        map(vm.same_text, found.added)
    )
    assert after == {vm.same_text(text) for text in typed if vm.same_text(text)}
