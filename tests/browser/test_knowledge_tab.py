"""Editing knowledge: the difference first, nothing typed is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.core.wire import NewEntry
from tests.browser.conftest import Console, Visit, Visitor

START = ["the printer is on the second floor", "lunch is at noon", "the door code changes monthly"]


@pytest.fixture
def play(console: Console) -> Iterator[Console]:
    _reset(console)
    yield console
    _reset(console)


def _reset(console: Console) -> None:
    """Fill the base anew after emptying it: an entry that stays would keep its place."""
    with console.daemon.client() as client:
        client.set_texts("play", [])
        client.set_texts("play", START)


def _texts(console: Console) -> list[str]:
    with console.daemon.client() as client:
        return [entry.text for entry in client.entries("play", limit=1000).entries]


def _editor(visit: Visit) -> Visitor:
    visitor = visit().arrive("editor", "Playground")
    visitor.tab("Knowledge")
    visitor.page.wait_for_selector("#lines textarea")
    return visitor


def _preview(visitor: Visitor) -> str:
    visitor.page.click("#preview")
    visitor.page.wait_for_selector("#difference section, #difference .vw-notice")
    return visitor.page.inner_text("#difference")


def test_the_difference_then_saving_then_trying(visit: Visit, play: Console) -> None:
    visitor = _editor(visit)
    page = visitor.page
    assert page.input_value("#lines textarea").split("\n") == START
    typed = [*START[:1], *START[2:], "the coffee machine needs cleaning", "no", START[0]]
    page.fill("#lines textarea", "\n".join(typed))
    said = _preview(visitor)
    assert "1 new" in said
    assert "1 removed" in said
    assert "2 not accepted" in said
    assert "line 4: is too short: it needs 5 or more characters" in said
    assert "line 5: is there already" in said
    assert _texts(play) == START
    visitor.shot("knowledge-difference-en")
    page.click("#save")
    page.wait_for_selector("#difference >> text=Saved, except for the lines below")
    assert _texts(play) == [START[0], START[2], "the coffee machine needs cleaning"]
    assert page.input_value("#lines textarea") == "\n".join(typed)
    assert visitor.search("the coffee machine needs cleaning", box="try")[0] == "the coffee machine needs cleaning"
    visitor.shot("knowledge-saved-en")


def test_saving_shows_the_difference_first(visit: Visit, play: Console) -> None:
    visitor = _editor(visit)
    visitor.page.fill("#lines textarea", "\n".join([*START, "a line that nobody previewed"]))
    visitor.page.click("#save")
    visitor.page.wait_for_selector("#difference >> text=1 new")
    assert _texts(play) == START
    visitor.page.click("#save")
    visitor.page.wait_for_selector("#difference .vw-good")
    assert _texts(play)[-1] == "a line that nobody previewed"


def test_somebody_elses_change_is_merged_and_nothing_typed_is_lost(visit: Visit, play: Console) -> None:
    visitor = _editor(visit)
    page = visitor.page
    page.fill("#lines textarea", "\n".join([*START, "what I typed myself"]))
    _preview(visitor)
    with play.daemon.client() as client:
        client.set_texts("play", [START[0], START[2], "what the other one added"])
    page.click("#save")
    page.wait_for_selector("#difference >> text=Somebody else changed this base meanwhile")
    assert "what I typed myself" in page.input_value("#lines textarea")
    visitor.shot("knowledge-conflict-en")
    page.click("#merge")
    page.wait_for_selector("#difference >> text=The other changes are in your text now")
    merged = [START[0], START[2], "what I typed myself", "what the other one added"]
    assert page.input_value("#lines textarea").split("\n") == merged
    page.click("#save")
    page.wait_for_selector("#difference .vw-good >> text=Saved")
    assert sorted(_texts(play)) == sorted(merged)


def test_text_that_was_not_saved_waits_for_the_editor(visit: Visit, play: Console) -> None:
    visitor = _editor(visit)
    draft = "\n".join([*START, "a draft that must not be lost"])
    visitor.page.fill("#lines textarea", draft)
    visitor.choose("IT support")
    visitor.page.wait_for_function("document.querySelector('#lines textarea').value.includes('password')")
    visitor.choose("Playground")
    visitor.page.wait_for_selector("#difference >> text=that you had not saved yet")
    assert visitor.page.input_value("#lines textarea") == draft


def test_the_last_change_can_be_taken_back(visit: Visit, play: Console) -> None:
    visitor = _editor(visit)
    page = visitor.page
    page.fill("#lines textarea", START[0])
    _preview(visitor)
    page.click("#save")
    page.wait_for_selector("#difference .vw-good")
    assert _texts(play) == START[:1]
    page.click("#history > button")
    newest = page.locator("#history-rows li").first
    newest.get_by_text("2 removed").wait_for()
    assert "by user:editor" in newest.inner_text()
    visitor.shot("knowledge-history-en")
    newest.get_by_role("button", name="Take back").click()
    page.locator("dialog").get_by_role("button", name="Yes, go ahead").click()
    page.wait_for_function("t => document.querySelector('#lines textarea').value === t", arg="\n".join(START))
    assert "Taken back" in page.inner_text("#history-said")
    assert _texts(play) == START
    page.locator("#history-rows li", has_text="taken back").first.wait_for()


def test_what_others_changed_meanwhile_is_not_taken_back(visit: Visit, play: Console) -> None:
    visitor = _editor(visit)
    page = visitor.page
    page.click("#history > button")
    page.wait_for_selector("#history-rows [data-action=undo]")
    with play.daemon.client() as client:
        client.add("play", [NewEntry(text="what somebody else has just added")])
    page.click("#history-rows [data-action=undo]")
    page.locator("dialog").get_by_role("button", name="Yes, go ahead").click()
    page.wait_for_selector("#history-said .vw-warn")
    assert _texts(play) == [*START, "what somebody else has just added"]


def test_the_table_adds_edits_and_deletes(visit: Visit, play: Console) -> None:
    visitor = _editor(visit)
    page = visitor.page
    page.click("#knowledge-view >> text=Table")
    page.wait_for_selector(".vw-table > li")
    page.click("#table-new")
    page.fill("#entry-text textarea", "an entry\nof two lines")
    page.fill("#entry-metadata textarea, #entry-metadata input", "team: kitchen")
    page.click("#entry-save")
    page.wait_for_selector("#table-said .vw-good")
    row = page.locator(".vw-table > li", has_text="of two lines")
    assert "team" in row.inner_text()
    visitor.shot("knowledge-table-en")
    row.get_by_role("button", name="Edit").click()
    page.wait_for_function("document.querySelector('#entry-text textarea')?.value.includes('two lines')")
    page.fill("#entry-text textarea", "an entry of one line again")
    page.click("#entry-save")
    page.wait_for_selector(".vw-table >> text=an entry of one line again")
    with play.daemon.client() as client:
        entry = client.entries("play", limit=1000).entries[-1]
    assert (entry.text, entry.metadata) == ("an entry of one line again", {"team": "kitchen"})
    page.locator(".vw-table > li", has_text="one line again").get_by_role("button", name="Delete").click()
    page.locator("dialog").get_by_role("button", name="Yes, go ahead").click()
    page.wait_for_selector("#table-said >> text=was deleted")
    assert _texts(play) == START


def test_a_large_base_has_pages_and_a_search(visit: Visit, play: Console) -> None:
    with play.daemon.client() as client:
        client.set_texts("play", [f"large base, entry number {n:04}" for n in range(620)])
    visitor = visit("zh-CN").arrive("editor", "试验田")
    visitor.tab("知识")
    page = visitor.page
    page.wait_for_selector(".vw-table > li")
    assert not page.is_visible("#lines")
    assert "分页显示" in page.inner_text("#knowledge-note")
    assert page.locator(".vw-table > li").count() == 25
    page.get_by_role("button", name="下一页").click()
    page.wait_for_selector(".vw-table >> text=entry number 0025")
    page.get_by_role("button", name="上一页").click()
    page.wait_for_selector(".vw-table >> text=entry number 0000")
    page.fill("#table-find textarea, #table-find input", "0617")
    page.press("#table-find textarea, #table-find input", "Enter")
    page.wait_for_function("document.querySelectorAll('.vw-table > li').length === 1")
    assert "0617" in page.inner_text(".vw-table")
    visitor.shot("knowledge-large-zh")


def test_files_in_and_out(visit: Visit, play: Console, tmp_path: Path) -> None:
    visitor = _editor(visit)
    page = visitor.page
    page.click("#files >> text=Files")
    table = tmp_path / "条目.csv"
    table.write_bytes("text,team\n咖啡机在三楼走廊尽头,行政\n短,x\n".encode("gb18030"))
    page.set_input_files("#import-file", table)
    page.wait_for_selector("#file-said >> text=Imported. New entries: 1.")
    assert "GB18030" in page.inner_text("#file-said")
    assert "too short" in page.inner_text("#file-said")
    visitor.shot("knowledge-import-en")
    page.wait_for_function("document.querySelector('#lines textarea').value.includes('咖啡机')")
    with page.expect_download() as download:
        page.click(".vw-links >> text=JSON Lines")
    found = Path(download.value.path()).read_text()
    assert "咖啡机在三楼走廊尽头" in found
    assert download.value.suggested_filename == "play.jsonl"
    picture = tmp_path / "photo.png"
    picture.write_bytes(b"\x89PNG")
    page.set_input_files("#import-file", picture)
    page.wait_for_selector("#file-said .vw-bad")


def test_metadata_that_is_not_name_and_value_keeps_what_was_typed(visit: Visit, play: Console) -> None:
    with play.daemon.client() as client:
        client.add("play", [NewEntry(text="an entry\nthat makes it a table")])
    visitor = visit().arrive("editor", "Playground")
    visitor.tab("Knowledge")
    page = visitor.page
    page.wait_for_selector(".vw-table > li")
    assert "several lines" in page.inner_text("#knowledge-note")
    page.click("#table-new")
    page.fill("#entry-text textarea", "something new to know")
    page.fill("#entry-metadata textarea, #entry-metadata input", "no colon here")
    page.click("#entry-save")
    page.wait_for_selector("#table-said >> text=Line 1 of the details")
    assert page.input_value("#entry-text textarea") == "something new to know"
