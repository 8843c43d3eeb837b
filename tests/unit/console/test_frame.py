"""The page's frame: a tab is one row, drawn for whom the row says."""

from __future__ import annotations

from typing import Any

import gradio as gr
import pytest

from console.frame import TABS, Tab, build
from console.messages import LANGUAGES, MESSAGES, Language
from console.tabs.page import Page
from console.web.daemon_access import DaemonAccess
from daemon.core.roles import Role
from tests.support.console.page import Handlers
from tests.support.console.site import Site, event


def _plain(page: Page, _tab: gr.Tab) -> None:
    gr.HTML(page.t("tab.extra"))


def _refreshing(page: Page, tab: gr.Tab) -> gr.Timer:
    _plain(page, tab)
    return gr.Timer(1.0, active=False)


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MESSAGES, "tab.extra", ("Extra", "附加"))


def _config(rows: tuple[Tab, ...], language: Language) -> dict[str, Any]:
    def nobody(*_: object) -> Any:
        raise AssertionError("building a page asks no daemon")

    cookies: Any = None
    found: dict[str, Any] = build(DaemonAccess(cookies, nobody), language, "vecward", rows).get_config_file()
    return found


@pytest.mark.usefixtures("words")
@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_row_is_a_tab(language: Language) -> None:
    rows = (*TABS, Tab("extra", Role.EDITOR, _plain))
    tabs = [one["props"] for one in _config(rows, language)["components"] if one["type"] == "tabitem"]
    column = LANGUAGES.index(language)
    assert [tab["label"] for tab in tabs] == [MESSAGES[f"tab.{row.name}"][column] for row in rows]
    assert [tab["id"] for tab in tabs] == ["search", "knowledge", "vectors", "status", "audit", "extra"]
    assert [tab["visible"] for tab in tabs] == [True, False, True, False, False, False]


@pytest.mark.usefixtures("words")
async def test_a_tab_that_refreshes_itself_rests_while_any_other_is_shown() -> None:
    config = _config((*TABS[:1], Tab("extra", Role.ANYONE, _refreshing), *TABS[4:]), "en")
    [timer] = [one["id"] for one in config["components"] if one["type"] == "timer"]
    tabs = {one["id"]: one["props"]["id"] for one in config["components"] if one["type"] == "tabitem"}
    stops = [one["targets"] for one in config["dependencies"] if one["outputs"] == [timer]]
    assert sorted(tabs[component] for [(component, kind)] in stops if kind == "select") == ["audit", "search"]


@pytest.mark.parametrize(
    ("user", "shown"),
    [
        ("demo", ["search", "vectors"]),
        ("editor", ["search", "knowledge", "vectors"]),
        ("admin", ["search", "knowledge", "vectors", "status", "audit"]),
    ],
)
async def test_tabs_are_drawn_by_role(site: Site, user: str, shown: list[str]) -> None:
    async with site.client(user) as client:
        load = Handlers((await client.get("/en/")).text).load
        answer = await client.post(
            "/en/gradio_api/run/predict", json=event(fn_index=load["id"], session_hash=f"of-{user}")
        )
    updates = answer.json()["data"][2 : 2 + len(TABS)]
    assert [row.name for row, update in zip(TABS, updates, strict=True) if update["visible"]] == shown
