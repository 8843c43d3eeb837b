"""The status tab of somebody who looks after many knowledge bases: pages, filters, order."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from daemon.core.config import users
from tests.browser.conftest import PASSWORD, Console, Visit
from tests.support.console.process import running_console
from tests.support.daemons import fake_tenant, running_daemon

COUNT = 30


@pytest.fixture(scope="module")
def console() -> Iterator[Console]:
    """Parked tenants, and one whose file is wrong."""
    names = {f"t{number:02}": {"en": f"Department {number}", "zh": f"部门 {number}"} for number in range(COUNT)}
    tenants = {name: fake_tenant(title=title, limits={"park_after_s": 3600}) for name, title in names.items()}
    admins = [f"uid:{os.getuid()}", "user:admin"]
    with running_daemon({**tenants, "wrong": "encoder: {backend: none}\n"}, start=False, admins=admins) as daemon:
        users.add(daemon.paths.users_yaml, "admin", PASSWORD)
        with running_console(daemon.start()) as url:
            yield Console(daemon, url)


def choose(page: Page, box: str, word: str) -> None:
    page.click(f"#{box} input")
    page.get_by_role("option", name=word, exact=True).click()


def test_pages_filters_and_order(visit: Visit) -> None:
    visitor = visit().arrive("admin")
    page, cards = visitor.page, visitor.page.locator(".vw-tenant")
    visitor.tab("Status")
    expect(cards).to_have_count(24)
    expect(page.locator(".vw-more")).to_contain_text(f"Shown: 24 of {COUNT + 1}.")
    page.get_by_role("button", name="Show more").click()
    expect(cards).to_have_count(COUNT + 1)
    expect(page.locator(".vw-more")).to_have_count(0)

    choose(page, "status-state", "Cannot start")
    expect(cards).to_have_count(1)
    expect(cards).to_contain_text("wrong.yaml, line 1: encoder.backend")
    visitor.shot("status-many-failed-en")
    choose(page, "status-state", "Any")
    expect(cards).to_have_count(24)

    page.fill("#status-find input, #status-find textarea", "部门 2")
    page.press("#status-find input, #status-find textarea", "Enter")
    expect(cards).to_have_count(11)  # 2 and 20 to 29
    choose(page, "status-order", "Most memory first")
    expect(cards).to_have_count(11)
    visitor.shot("status-many-found-en")

    cards.filter(has_text="t25").get_by_role("button", name="Start").click()
    page.wait_for_selector(".vw-tenant[data-tenant=t25][data-state=ready]")
    expect(cards.first).to_contain_text("t25")

    page.fill("#status-find input, #status-find textarea", "nobody has this name")
    page.press("#status-find input, #status-find textarea", "Enter")
    expect(page.locator("#status-cards .vw-notice")).to_contain_text("No knowledge base fits")
