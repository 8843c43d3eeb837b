"""A search as the page makes it."""

from __future__ import annotations

from console.tabs.search import SearchHandlers, Threshold
from tests.support.console.site import Site


async def test_the_threshold_is_asked_for_once(site: Site) -> None:
    handlers, request = SearchHandlers(site.page()), site.request("demo")
    html, threshold = await handlers.search("acme", "the printer is upstairs", 5, None, request)
    assert threshold == Threshold("acme", 0.4)
    assert "above 0.4" in html
    html, threshold = await handlers.search("acme", "when is lunch?", 5, threshold, request)
    assert "lunch is at noon" in html
    assert [did for _, did in site.daemon.acted] == ["search acme", "tenant acme", "search acme"]


async def test_another_tenant_has_its_own_threshold(site: Site) -> None:
    handlers, request = SearchHandlers(site.page()), site.request("admin")
    _, threshold = await handlers.search("globex", "the printer", 5, Threshold("acme", 0.9), request)
    assert threshold == Threshold("globex", 0.4)


async def test_without_a_question_the_daemon_is_not_asked(site: Site) -> None:
    handlers, request = SearchHandlers(site.page()), site.request("demo")
    for tenant, query, said in (("acme", " ", "Type a word"), (None, "lunch", "No knowledge base")):
        assert said in (await handlers.search(tenant, query, 5, None, request))[0]
    assert site.daemon.acted == []


async def test_an_error_stands_in_the_place_of_the_results(site: Site) -> None:
    handlers, request = SearchHandlers(site.page()), site.request("demo")
    html, threshold = await handlers.search("globex", "secret", 5, None, request)
    assert "is not open to you" in html
    assert threshold is None
