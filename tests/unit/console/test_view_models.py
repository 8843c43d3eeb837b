"""From wire models to what is drawn."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.view_models import tenants as vm
from daemon.core import wire
from daemon.core.roles import Role
from daemon.supervisor.states import State

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def _tenant(name: str, **fields: Any) -> wire.TenantView:
    fields.setdefault("title", wire.Title())
    return wire.TenantView(name=name, state="ready", goal="up", **fields)


def _entry(number: int, text: str) -> wire.Entry:
    return wire.Entry(id=number, text=text, created_at=NOW, updated_at=NOW)


# --- tenants --------------------------------------------------------------------------------------


def test_titles_are_in_the_users_language_else_the_other_else_the_name() -> None:
    both = _tenant("a", title=wire.Title(en="Sales", zh="销售部"))
    assert (vm.title_of(both, "en"), vm.title_of(both, "zh")) == ("Sales", "销售部")
    assert vm.title_of(_tenant("a", title=wire.Title(zh="销售部")), "en") == "销售部"
    assert vm.title_of(_tenant("a"), "zh") == "a"


def test_two_tenants_with_one_title_can_be_told_apart() -> None:
    tenants = [_tenant(name, title=wire.Title(en="Sales")) for name in ("b", "a")] + [_tenant("c")]
    assert vm.tenant_choices(tenants, "en") == [("c", "c"), ("Sales (a)", "a"), ("Sales (b)", "b")]


@pytest.mark.parametrize(
    ("role", "editor", "admin"),
    [(None, False, False), ("searcher", False, False), ("editor", True, False), ("tenant-admin", True, True),
     ("admin", True, True), ("something-newer", False, False)],
)  # fmt: skip
def test_what_is_drawn_follows_the_role(role: str | None, editor: bool, admin: bool) -> None:
    tenant = _tenant("a", role=role)
    assert (vm.may(tenant, Role.EDITOR), vm.may(tenant, Role.TENANT_ADMIN)) == (editor, admin)


# --- search ---------------------------------------------------------------------------------------


def _results(*scores: float, threshold: float = 0.4) -> vm.Results:
    hits = [wire.Hit(id=n, text=f"text {n}", metadata={"n": n}, score=score) for n, score in enumerate(scores)]
    timing = wire.Timing(queue_ms=1, encode_ms=2, search_ms=3)
    return vm.results_of(wire.SearchResult(results=hits, revision=1, timing=timing), threshold, 7.0)


def test_a_score_is_shown_with_four_decimals_and_as_a_bar() -> None:
    card = _results(0.73216).cards[0]
    assert (card.rank, card.score, card.percent, card.metadata) == (1, "0.7322", 73.22, (("n", "0"),))


@pytest.mark.parametrize(("score", "percent"), [(-0.5, 0), (0, 0), (1, 100), (1.0000002, 100)])
def test_a_bar_never_leaves_its_track(score: float, percent: float) -> None:
    assert _results(score).cards[0].percent == percent


def test_green_is_above_the_threshold_not_on_it() -> None:
    assert [card.strong for card in _results(0.5, 0.4, 0.3).cards] == [True, False, False]


def test_help_comes_when_all_scores_are_low() -> None:
    assert _results(0.4, 0.1).low
    assert not _results(0.41, 0.1).low
    assert not _results().low


# --- lines ----------------------------------------------------------------------------------------


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


# --- metadata -------------------------------------------------------------------------------------

_names = st.text(st.characters(exclude_characters="\n\r:：", exclude_categories=["C", "Z"]), min_size=1, max_size=8)
_scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**9), 10**9), st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)  # fmt: skip


@given(st.dictionaries(_names, _scalars, max_size=4))
def test_metadata_comes_back_as_it_was(metadata: dict[str, wire.Scalar]) -> None:
    back = vm.metadata_of(vm.metadata_text(metadata))
    assert back == metadata
    assert [type(value) for value in back.values()] == [type(value) for value in metadata.values()]


def test_metadata_as_people_write_it() -> None:
    written = 'team: kitchen\n\nsource: https://example.org:8080/a\n部门：厨房\nfloor: 3\nopen: true\nroom: "12"'
    assert vm.metadata_of(written) == {
        "team": "kitchen", "source": "https://example.org:8080/a", "部门": "厨房", "floor": 3, "open": True,
        "room": "12",
    }  # fmt: skip


@pytest.mark.parametrize("written", ["no colon", ": value", "a: 1\nno colon"])
def test_metadata_that_is_not_name_and_value_names_its_line(written: str) -> None:
    with pytest.raises(vm.BadMetadata) as caught:
        vm.metadata_of(written)
    assert caught.value.line == written.count("\n") + 1


@pytest.mark.parametrize("value", ["NaN", "Infinity", "[1]", '{"a": 1}'])
def test_metadata_values_are_flat(value: str) -> None:
    assert vm.metadata_of(f"a: {value}") == {"a": value}


# --- vectors, status ------------------------------------------------------------------------------


def test_bars_are_signed_and_the_largest_is_full() -> None:
    view = vm.vector_view(wire.Vector(dimension=4, norm=1, fingerprint="f", values=[0.5, -0.25, 0.0]))
    assert [(bar.value, bar.percent, bar.positive) for bar in view.bars] == [
        ("+0.5000", 100, True), ("-0.2500", 50, False), ("+0.0000", 0, True),
    ]  # fmt: skip
    assert vm.vector_view(wire.Vector(dimension=1, norm=0, fingerprint="f", values=[0.0])).bars[0].percent == 0


def test_every_state_has_a_tone_and_a_way_out() -> None:
    for state in State:
        tenant = _tenant("a").model_copy(update={"state": state.value})
        assert vm.tone(state) in ("good", "calm", "bad", "busy")
        assert vm.actions(tenant)
    assert vm.tone("ready") == "good"
    assert vm.tone("failed") == "bad"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, ("unit.seconds", 0)), (59.9, ("unit.seconds", 59)), (60, ("unit.minutes", 1)), (3599, ("unit.minutes", 59)),
     (3600, ("unit.hours", 1)), (100_000, ("unit.hours", 27)), (200_000, ("unit.days", 2))],
)  # fmt: skip
def test_durations_are_coarse(seconds: float, said: tuple[str, int]) -> None:
    assert vm.duration(seconds) == said


def test_sizes_and_short_texts() -> None:
    assert (vm.megabytes(198.4), vm.megabytes(2048)) == ("198 MiB", "2.0 GiB")
    assert vm.one_line(" a\n b ", 80) == "a b"
    assert len(vm.one_line("x" * 100, 80)) == 80
