"""Requests that another site made the browser send."""

from __future__ import annotations

import pytest

from tests.support.console.fakes import PASSWORD
from tests.support.console.site import ORIGIN, Site


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.test"},
        {"origin": "null"},
        {"origin": "http://console.test:81"},
        {"origin": ORIGIN, "sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.test", "x-forwarded-host": "evil.test"},
    ],
)
async def test_other_sites_can_send_nothing(site: Site, headers: dict[str, str]) -> None:
    async with site.client("demo", **headers) as client:
        for path in ("/en/gradio_api/run/predict", "/import/acme?name=a.txt", "/signout"):
            assert (await client.post(path, content=b"{}")).status_code == 403
        answer = await client.post("/signin", data={"name": "demo", "password": PASSWORD})
        assert answer.headers["location"] == "/signin?elsewhere=1"
    assert site.daemon.acted == []


async def test_a_proxy_on_this_host_may_name_the_host(site: Site) -> None:
    headers = {"origin": "https://search.example", "x-forwarded-host": "search.example"}
    async with site.client(peer="::1", **headers) as client:
        answer = await client.post("/signin", data={"name": "demo", "password": PASSWORD})
    assert answer.headers["location"] == "/en/"
