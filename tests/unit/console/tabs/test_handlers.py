"""Handlers of every tab, each called by hand."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from tests.support.console_site import Site, event


async def _handlers(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    page = (await client.get("/en/")).text
    config = re.search(r"window\.gradio_config = (\{.*?\});</script>", page)
    assert config is not None
    found: list[dict[str, Any]] = json.loads(config[1])["dependencies"]
    return [one for one in found if one["backend_fn"]]


@pytest.mark.parametrize("user", ["demo", "editor", "leaver"])
async def test_no_handler_acts_as_anybody_else_or_beyond_the_daemon(site: Site, user: str) -> None:
    """Each handler, called by hand with another tenant, another user's name, and clicks that no page has."""
    async with site.client("admin") as admin:
        handlers = await _handlers(admin)
    assert len(handlers) > 20
    assert {one["api_visibility"] for one in handlers} == {"private"}
    site.daemon.acted.clear()
    before = site.daemon.bases["globex"].revision, site.daemon.bases["globex"].view
    actions = ("edit", "delete", "next", "show", "stop", "start", "restart", "reload", "undo")
    click = {"id": "1", "tenant": "globex", "query": "secret", "user": "admin", "revision": "1"}
    clicks = [{**click, "action": action} for action in actions]
    said = ""
    async with site.client(user) as client:
        for one in handlers:
            for click in clicks:
                values = ["globex", *["secret"] * (len(one["inputs"]) - 1)]
                sent = event(*values, fn_index=one["id"], event_data=click, session_hash=f"by-hand-{user}")
                path = "queue/join" if one["queue"] else "run/predict"
                said += (await client.post(f"/en/gradio_api/{path}", json=sent)).text
    assert {name for name, _ in site.daemon.acted} <= {user, None}
    assert (site.daemon.bases["globex"].revision, site.daemon.bases["globex"].view) == before
    assert "a secret of the other company" not in said
    assert "Traceback" not in said
