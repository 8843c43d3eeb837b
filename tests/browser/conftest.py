"""A real daemon, a real console, a real browser. Screenshots go to $VECWARD_SHOTS, else to pytest's folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from daemon.core.config import users
from tests.support.console.process import running_console
from tests.support.daemons import CHECKOUT, RunningDaemon, running_daemon

PASSWORD = "correct horse battery"
USERS = ("demo", "editor", "admin")
_CHROMIUM = next((path for path in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if path), None)
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_DEADLINE_MS = 20_000


@dataclass
class Console:
    """A console in front of its daemon; `url` is where it listens."""

    daemon: RunningDaemon
    url: str


@dataclass
class Visitor:
    """One browser window of its own: cookies, language, and a record of all that it asked for."""

    console: Console
    page: Page
    shots: Path
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self) -> Visitor:
        self.page.goto(self.console.url)
        return self

    def sign_in(self, name: str, password: str = PASSWORD) -> Visitor:
        self.open()
        self.page.fill("#name", name)
        self.page.fill("#password", password)
        self.page.press("#password", "Enter")
        return self

    def arrive(self, name: str, tenant: str | None = None) -> Visitor:
        """Sign in and wait for the page; choose the tenant by its title."""
        self.sign_in(name)
        self.page.wait_for_selector("#sign-out")
        self.page.wait_for_function("document.querySelector('#tenant input')?.value")
        if tenant is not None:
            self.choose(tenant)
        return self

    def choose(self, tenant: str) -> None:
        self.page.click("#tenant input")
        self.page.get_by_role("option", name=tenant, exact=True).click()
        self.page.wait_for_function("t => document.querySelector('#tenant input').value === t", arg=tenant)

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name, exact=True).click()

    def search(self, query: str, box: str = "search") -> list[str]:
        """Type, press Enter, and answer the texts of the cards for this query."""
        self.page.eval_on_selector_all(f"#{box}-results .vw-cards", "all => all.forEach(one => one.remove())")
        self.page.fill(f"#{box}-query textarea, #{box}-query input", query)
        self.page.press(f"#{box}-query textarea, #{box}-query input", "Enter")
        self.page.wait_for_selector(f"#{box}-results .vw-card")
        return self.page.locator(f"#{box}-results .vw-card-text").all_inner_texts()

    def shot(self, name: str) -> None:
        self.page.wait_for_function("document.getAnimations().every(one => one.playState !== 'running')")
        self.page.screenshot(path=self.shots / f"{name}.png", full_page=True)

    def foreign(self) -> list[str]:
        """List requests to any host but the console's."""
        own = (f"{self.console.url}/", "data:", f"blob:{self.console.url}/")
        return [url for url in self.requests if not url.startswith(own)]


@pytest.fixture(scope="package")  # ends with this folder: playwright holds the main thread's event loop
def demo_daemon() -> Iterator[RunningDaemon]:
    """The demo tenants on the embedded model, three users, one tenant on the fake encoder."""
    with running_daemon(start=False, admins=[f"uid:{os.getuid()}", "user:admin"]) as daemon:
        shutil.copytree(CHECKOUT / "tenants.d", daemon.paths.tenants_d, dirs_exist_ok=True)
        daemon.write_tenant(
            "play",
            {
                "title": {"en": "Playground", "zh": "试验田"},
                "encoder": {"backend": "fake"},
                "access": {"searchers": ["user:demo"], "editors": ["user:editor"]},
            },
        )
        for name in USERS:
            users.add(daemon.paths.users_yaml, name, PASSWORD)
        yield daemon.start().ready("life-zh", "it-support", "play")


@pytest.fixture(scope="package")  # ends with this folder: playwright holds the main thread's event loop
def console(demo_daemon: RunningDaemon) -> Iterator[Console]:
    with running_console(demo_daemon) as url:
        yield Console(demo_daemon, url)


@pytest.fixture(scope="package")  # ends with this folder: playwright holds the main thread's event loop
def browser() -> Iterator[Browser]:
    if _CHROMIUM is None:
        pytest.skip("no Chromium on this host; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=_ARGUMENTS)
        yield browser
        browser.close()


Visit = Callable[..., Visitor]


@pytest.fixture
def visit(console: Console, browser: Browser, tmp_path: Path) -> Iterator[Visit]:
    """``visit("zh-CN")`` opens a window. Afterwards: nothing was asked of another host, nothing was blocked."""
    shots = Path(os.environ.get("VECWARD_SHOTS") or tmp_path)
    shots.mkdir(parents=True, exist_ok=True)
    visitors: list[Visitor] = []
    contexts: list[BrowserContext] = []

    def new(locale: str = "en-US", width: int = 1280, dark: bool = False) -> Visitor:
        context = browser.new_context(
            locale=locale, viewport={"width": width, "height": 860}, color_scheme="dark" if dark else "light"
        )
        context.set_default_timeout(_DEADLINE_MS)
        contexts.append(context)
        visitor = Visitor(console, context.new_page(), shots)
        context.on("request", lambda request: visitor.requests.append(request.url))
        visitor.page.on("console", lambda message: _complain(visitor, message))
        visitor.page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
        visitors.append(visitor)
        return visitor

    yield new
    for context in contexts:
        context.close()
    for visitor in visitors:
        assert visitor.requests
        assert visitor.foreign() == []
        assert visitor.complaints == []


def _complain(visitor: Visitor, message: ConsoleMessage) -> None:
    # A refused sign-in and an ended session are answers of ours, and Chromium notes each as an error.
    if message.type == "error" and "the server responded with a status of" not in message.text:
        visitor.complaints.append(message.text)
