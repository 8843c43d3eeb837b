"""The audit log in the console, and hostile titles, names and metadata on every tab: all of it is text."""

from __future__ import annotations

import json

from daemon.core.wire import NewEntry
from tests.browser.conftest import PASSWORD, Console, Visit, Visitor
from tests.support.daemons import fake_tenant, wait_for
from tests.support.http.raw_http import ask

HOSTILE = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>'
TITLE = f"T {HOSTILE} [a](javascript:window.hit=1) \u202egnp"

_TYPED = "t => [...document.querySelectorAll('textarea')].some(e => e.value.includes(t))"
_VECTORS = "() => document.querySelector('#vector-show')?.checkVisibility()"
_LINES = "() => document.querySelector('#audit-lines tbody tr')"


def _refused_as_hostile(console: Console) -> None:
    """Leave lines in the log whose principal and tenant were typed by somebody without any right."""
    daemon = console.daemon
    for name in ("demo", HOSTILE):
        body = json.dumps({"name": name, "password": "wrong password"})
        ask(daemon.paths.console_socket, "POST", "/v1/signin", body, {"Vecward-Address": HOSTILE})
    for tenant in ("%3Cimg%20src=x%20onerror=alert(1)%3E", "<img/src=x/onerror=window.hit=1>"):
        ask(daemon.paths.console_socket, "GET", f"/v1/tenants/{tenant}", None, {"Vecward-User": "demo"})


def test_admins_read_it_with_filters_and_others_do_not_see_the_tab(visit: Visit, console: Console) -> None:
    _refused_as_hostile(console)
    visitor = visit().arrive("admin")
    visitor.tab("Audit")
    page = visitor.page
    page.wait_for_selector("#audit-lines tbody tr")
    page.fill("#audit-action textarea, #audit-action input", "sign_in")
    page.fill("#audit-outcome textarea, #audit-outcome input", "unauthenticated")
    page.click("#audit-show")
    page.wait_for_function(
        "[...document.querySelectorAll('#audit-lines tbody tr')].every(e => e.cells[4].innerText === 'unauthenticated')"
    )
    assert "user:demo" in page.inner_text("#audit-lines")
    assert HOSTILE in page.inner_text("#audit-lines")  # the address
    visitor.shot("audit")
    page.fill("#audit-outcome textarea, #audit-outcome input", "no such outcome")
    page.click("#audit-show")
    page.wait_for_selector("text=Nothing here fits.")
    _nothing_happened(visitor)
    other = visit().arrive("editor")
    assert other.page.get_by_role("tab", name="Audit").count() == 0


def test_hostile_titles_and_metadata_are_text_on_every_tab(visit: Visit, console: Console) -> None:
    daemon = console.daemon
    path = daemon.write_tenant(
        "hostile", fake_tenant(title={"en": TITLE, "zh": TITLE}, access={"searchers": ["user:demo"]})
    )
    try:
        wait_for(lambda: _is_ready(console), 60, "the hostile tenant")
        with daemon.client() as client:
            client.add(
                "hostile",
                [NewEntry(text=f"text {HOSTILE}", metadata={HOSTILE: HOSTILE, "url": f"https://x/{HOSTILE}"})],
            )
        visitor = visit().sign_in("admin", PASSWORD)
        page = visitor.page
        page.wait_for_function("document.querySelector('#tenant input')?.value")
        page.click("#tenant input")
        page.get_by_role("option", name="T <img").click()
        visitor.search("text")
        for tab, there in (("Knowledge", _TYPED), ("Vectors", _VECTORS), ("Audit", _LINES)):
            visitor.tab(tab)
            page.wait_for_function(there, arg=HOSTILE)
            _nothing_happened(visitor)
        visitor.tab("Status")
        page.wait_for_selector("[data-tenant=hostile]")
        assert HOSTILE in page.inner_text("[data-tenant=hostile]")
        _nothing_happened(visitor)
    finally:
        path.unlink()


def _nothing_happened(visitor: Visitor) -> None:
    page = visitor.page
    assert page.evaluate("window.hit") is None
    assert page.locator("img[src=x], [onerror], a[href^=javascript]").count() == 0


def _is_ready(console: Console) -> bool:
    with console.daemon.client() as client:
        return any(one.name == "hostile" and one.state == "ready" for one in client.tenants().tenants)
