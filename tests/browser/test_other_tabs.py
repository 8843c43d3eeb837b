"""Vectors and status."""

from __future__ import annotations

import math

import pytest

from tests.browser.conftest import Visit
from tests.support.daemons import wait_for


def test_a_vector_as_facts_numbers_and_bars(visit: Visit) -> None:
    visitor = visit("zh-CN").arrive("demo", "生活与客服")
    visitor.tab("向量")
    page = visitor.page
    page.fill("#vector-text textarea, #vector-text input", "红烧肉")
    page.click("#vector-show")
    page.wait_for_selector(".vw-vector")
    facts = page.inner_text(".vw-facts")
    assert "512" in facts
    assert "1.0000" in facts
    assert "use-multilingual" in facts
    values = [float(text) for text in page.locator(".vw-value").all_inner_texts()]
    assert len(values) == 50
    assert page.locator(".vw-chart i").count() == 50
    plus = page.locator(".vw-values .vw-plus").count()
    assert plus == sum(value > 0 or math.copysign(1, value) > 0 for value in values)
    visitor.shot("vectors-zh")


def test_the_vector_of_an_entry(visit: Visit) -> None:
    visitor = visit().arrive("demo", "IT support")
    visitor.tab("Vectors")
    page = visitor.page
    page.click("#vector-source >> text=an entry")
    page.fill("#vector-find textarea, #vector-find input", "authenticator")
    page.wait_for_function(
        "[...document.querySelectorAll('.vw-choices li')].every(e => /authenticator/i.test(e.innerText))"
    )
    page.locator(".vw-choices button").first.click()
    page.wait_for_selector(".vw-vector")
    assert page.locator(".vw-value").count() == 50
    visitor.shot("vectors-entry-en")


def test_restarting_and_stopping_a_tenant(visit: Visit) -> None:
    visitor = visit().arrive("admin")
    daemon, page = visitor.console.daemon, visitor.page
    before = daemon.tenant("play").pid
    visitor.tab("Status")
    card = page.locator(".vw-tenant[data-tenant=play]")
    card.get_by_role("button", name="Restart").click()
    page.wait_for_selector("#status-said .vw-good")
    wait_for(lambda: daemon.tenant("play").pid not in (None, before), 30, "another process")
    page.wait_for_selector(".vw-tenant[data-tenant=play][data-state=ready]")
    assert "no sandbox" in card.inner_text()
    assert "no GPU on this host" in page.inner_text(".vw-host") or "GPU" in page.inner_text(".vw-host")
    visitor.shot("status-en")

    card.get_by_role("button", name="Stop").click()
    dialog = page.locator("dialog")
    assert "Playground" in dialog.inner_text()
    visitor.shot("status-stop-asks-en")
    dialog.get_by_role("button", name="Cancel").click()
    assert daemon.tenant("play").goal == "up"
    card.get_by_role("button", name="Stop").click()
    dialog.get_by_role("button", name="Yes, go ahead").click()
    page.wait_for_selector(".vw-tenant[data-tenant=play][data-state=stopped]")

    visitor.choose("Playground")
    visitor.tab("Search")
    page.fill("#search-query textarea, #search-query input", "anything")
    page.press("#search-query textarea, #search-query input", "Enter")
    page.wait_for_selector("#search-results .vw-bad")
    assert "switched off" in page.inner_text("#search-results .vw-bad")
    visitor.shot("search-stopped-en")

    visitor.tab("Status")
    card.get_by_role("button", name="Start").click()
    page.wait_for_selector(".vw-tenant[data-tenant=play][data-state=ready]")


def test_a_warning_is_told_in_the_readers_language(visit: Visit) -> None:
    visitor = visit("zh-CN").arrive("admin")
    daemon, page = visitor.console.daemon, visitor.page
    good = (daemon.paths.tenants_d / "play.yaml").read_text()
    try:
        daemon.write_tenant("play", "encoder: {backend: fake}\nsearch: {k: 0}\n")
        visitor.tab("状态")
        warning = page.locator(".vw-tenant[data-tenant=play] .vw-warn")
        warning.wait_for()
        assert "修改后的配置文件有误" in warning.inner_text()
        assert "search.k" in warning.inner_text()
        visitor.shot("status-warning-zh")
    finally:
        daemon.write_tenant("play", good)
    warning.wait_for(state="detached")


ON_TABS = ("#search-button", "#preview", "#vector-show", ".vw-tenant", ".vw-audit")  # in the order of the tabs


@pytest.mark.parametrize(
    ("locale", "tabs"),
    [
        ("en-US", ["Search", "Knowledge", "Vectors", "Status", "Audit"]),
        ("zh-CN", ["搜索", "知识", "向量", "状态", "审计"]),
    ],
)
def test_every_tab_is_in_reach_on_a_phone(visit: Visit, locale: str, tabs: list[str]) -> None:
    visitor = visit(locale, width=390).arrive("admin")
    for name, there in zip(tabs, ON_TABS, strict=True):
        visitor.tab(name)
        visitor.page.wait_for_selector(there)
        assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 390, name
        visitor.shot(f"phone-{name}")
