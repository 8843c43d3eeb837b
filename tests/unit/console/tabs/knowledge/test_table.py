"""The table: pages, a search, and one entry at a time."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pytest

from console.tabs.knowledge import table_handlers
from console.tabs.knowledge.table_handlers import TableHandlers, TableState
from daemon.core.wire import NewEntry
from tests.support.console.site import Site


def _click(**data: str) -> gr.EventData:
    return gr.EventData(None, data)


@pytest.fixture
async def shown(site: Site) -> TableState:
    """The first page of acme's entries, on an editor's screen."""
    state, *_ = await TableHandlers(site.page()).find("acme", "", TableState(), site.request("editor"))
    assert isinstance(state, TableState)
    return state


def _texts(site: Site) -> list[str]:
    return [one.text for one in site.daemon.bases["acme"].entries.values()]


async def _click_on(site: Site, state: TableState, **data: str) -> tuple[Any, ...]:
    return await TableHandlers(site.page()).clicked("acme", state, site.request("editor"), _click(**data))


async def test_pages_are_turned_and_searched(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_handlers, "PAGE", 1)
    handlers, request = TableHandlers(site.page()), site.request("editor")
    first, rows, *_ = await handlers.find("acme", "", TableState(), request)
    assert "printer" in rows
    assert "Page 1" in rows
    second, rows, *_ = await _click_on(site, first, action="next")
    assert "lunch" in rows
    assert "Page 2" in rows
    assert (await _click_on(site, second, action="next"))[0] == gr.skip()
    back, rows, *_ = await _click_on(site, second, action="previous")
    assert back == first
    _, rows, *_ = await handlers.find("acme", " LUNCH ", second, request)
    assert "printer" not in rows
    assert "lunch" in rows


async def test_an_entry_is_added_edited_and_deleted(site: Site, shown: TableState) -> None:
    handlers, request = TableHandlers(site.page()), site.request("editor")
    state, _, said, _, form = await handlers.save("acme", shown, "the lift is broken", "floor: 3", request)
    assert "The entry was added as 3." in said
    assert form["visible"] is False
    state, _, _, _, form, title, text, metadata = await _click_on(site, state, action="edit", id="3")
    assert form["visible"] is True
    assert ("Entry 3" in title, text, metadata) == (True, "the lift is broken", "floor: 3")
    state, _, said, *_ = await handlers.save("acme", state, "the lift works again", metadata, request)
    assert "Entry 3 is saved." in said
    assert site.daemon.bases["acme"].entries[3].metadata == {"floor": 3}
    state, rows, said, *_ = await _click_on(site, state, action="delete", id="1")
    assert "Entry 1 was deleted." in said
    assert "printer" not in rows
    assert _texts(site) == ["lunch is at noon", "the lift works again"]


async def test_a_change_of_somebody_else_stops_saving_and_deleting(site: Site, shown: TableState) -> None:
    async with site.open_as("editor") as client:
        await client.add("acme", [NewEntry(text="theirs is new")])
    before = _texts(site)
    handlers = TableHandlers(site.page())
    _, rows, said, _, form = await handlers.save("acme", shown, "mine is new", "", site.request("editor"))
    assert "so nothing was saved" in said
    assert form == gr.skip(), "the form keeps what was typed"
    assert "theirs is new" in rows
    _, _, said, *_ = await _click_on(site, shown, action="delete", id="1")
    assert "so nothing was deleted" in said
    assert _texts(site) == before


@pytest.mark.parametrize(
    ("text", "metadata", "said"),
    [
        ("no", "", "That text is too short"),
        ("lunch is at noon", "", "This entry is there already"),
        ("a good text", "no colon", "Line 1 of the details"),
    ],
)
async def test_what_cannot_be_saved_stays_in_the_form(
    site: Site, shown: TableState, text: str, metadata: str, said: str
) -> None:
    answer = await TableHandlers(site.page()).save("acme", shown, text, metadata, site.request("editor"))
    assert said in str(answer[2])
    assert answer[4] == gr.skip()
    assert len(_texts(site)) == 2


async def test_an_entry_that_has_gone_cannot_be_edited(site: Site, shown: TableState) -> None:
    answer = await _click_on(site, shown, action="edit", id="99")
    assert "This entry does not exist any more" in str(answer[2])


@pytest.mark.parametrize("data", [{}, {"action": "explode", "id": "1"}, {"action": "delete", "id": "1; 2"}])
async def test_clicks_that_no_page_has_do_nothing(site: Site, shown: TableState, data: dict[str, str]) -> None:
    site.daemon.acted.clear()
    assert set(map(str, await _click_on(site, shown, **data))) == {str(gr.skip())}
    assert site.daemon.acted == []
