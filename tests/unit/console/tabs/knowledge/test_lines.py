"""The text field: the difference first, then saving; nothing typed is lost."""

from __future__ import annotations

import pytest

from console.tabs.knowledge.lines import LinesHandlers
from console.tabs.knowledge.lines_state import LinesState, Loaded, keep_draft, unsaved
from daemon.core.wire import NewEntry
from tests.support.console.site import Site

TEXTS = ("the printer is upstairs", "lunch is at noon")
TYPED = "the printer is upstairs\nthe lift is out of order\nno"


@pytest.fixture
def loaded(site: Site) -> LinesState:
    """The entries of acme as an editor's page has loaded them."""
    return LinesState(Loaded("acme", site.daemon.bases["acme"].revision, TEXTS, 5))


def _texts(site: Site) -> list[str]:
    return [one.text for one in site.daemon.bases["acme"].entries.values()]


async def test_saving_shows_the_difference_first_and_saves_then(site: Site, loaded: LinesState) -> None:
    handlers, request = LinesHandlers(site.page()), site.request("editor")
    shown, _, state, line = await handlers.save("acme", TYPED, loaded, request)
    for said in ("1 new", "1 removed", "1 not accepted", "line 3: is too short: it needs 5 or more characters"):
        assert said in str(shown)
    assert _texts(site) == list(TEXTS)
    saved, _, state, line = await handlers.save("acme", TYPED, state, request)
    assert "Saved, except for the lines below" in str(saved)
    assert "data-clean" not in str(line), "the line that was not accepted is still to be saved"
    assert _texts(site) == [TEXTS[0], "the lift is out of order"]
    assert state.loaded == Loaded("acme", 2, (TEXTS[0], "the lift is out of order"), 5)


async def test_text_that_changed_after_the_difference_is_not_saved(site: Site, loaded: LinesState) -> None:
    handlers, request = LinesHandlers(site.page()), site.request("editor")
    _, _, state = await handlers.preview("acme", TYPED, loaded, request)
    await handlers.save("acme", f"{TYPED}\nanother line", state, request)
    assert _texts(site) == list(TEXTS)


async def test_a_change_of_somebody_else_is_merged_into_the_text(site: Site, loaded: LinesState) -> None:
    handlers, request = LinesHandlers(site.page()), site.request("editor")
    _, _, state = await handlers.preview("acme", TYPED, loaded, request)
    async with site.open_as("editor") as client:
        await client.add("acme", [NewEntry(text="theirs is new")])
    said, button, state, _ = await handlers.save("acme", TYPED, state, request)
    assert "Somebody else changed this base meanwhile" in str(said)
    assert button["visible"] is True
    assert _texts(site) == [*TEXTS, "theirs is new"]
    text, said, _, state = await handlers.merge("acme", TYPED, state, request)
    assert text == f"{TYPED}\ntheirs is new"
    assert "The other changes are in your text now" in str(said)
    await handlers.save("acme", str(text), state, request)
    assert _texts(site) == [TEXTS[0], "theirs is new", "the lift is out of order"]


@pytest.mark.parametrize("state", [LinesState(), LinesState(Loaded("globex", 1, (), 5))])
async def test_a_page_that_lost_its_entries_saves_nothing(site: Site, state: LinesState) -> None:
    handlers = LinesHandlers(site.page())
    said, _, _, _ = await handlers.save("acme", TYPED, state, site.request("editor"))
    assert "load the entries again" in str(said)
    assert site.daemon.acted == []


async def test_a_searcher_is_refused_in_words(site: Site, loaded: LinesState) -> None:
    said, _, _ = await LinesHandlers(site.page("zh")).preview("acme", TYPED, loaded, site.request("demo"))
    assert "您没有此权限" in str(said)


def test_a_draft_is_kept_until_the_editor_comes_back(loaded: LinesState) -> None:
    assert keep_draft(loaded, "\n".join(TEXTS)) == LinesState()
    left = keep_draft(loaded, TYPED)
    assert left.loaded is None
    assert left.drafts == {"acme": (TYPED, loaded.loaded)}
    assert keep_draft(left, "whatever") == left


def test_blank_lines_and_spaces_are_no_change(loaded: LinesState) -> None:
    assert loaded.loaded is not None
    assert not unsaved("\n the printer is upstairs \n\nlunch is at noon\n", loaded.loaded)
    assert unsaved("the printer is upstairs", loaded.loaded)
