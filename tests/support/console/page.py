"""The console as a script calls it: signing in, and the handlers that Gradio runs for the page."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx


@contextmanager
def signed_in(address: str, name: str, password: str) -> Iterator[httpx.Client]:
    """Sign in as a browser does."""
    with httpx.Client(base_url=address, headers={"origin": address}, timeout=60) as client:
        assert client.post("/signin", data={"name": name, "password": password}).status_code == 303
        yield client


class Handlers:
    """Handlers that Gradio runs for the English page, read from the page itself."""

    def __init__(self, page: str) -> None:
        config = re.search(r"window\.gradio_config = (\{.*?\});</script>", page)
        assert config is not None
        found = json.loads(config[1])
        self.events: list[dict[str, Any]] = [one for one in found["dependencies"] if one["backend_fn"]]
        self._components = {one["id"]: one for one in found["components"]}

    @property
    def load(self) -> dict[str, Any]:
        """The handler that a browser calls first; Gradio takes no tenant that its answer did not offer."""
        [load] = [one for one in self.events if any(kind == "load" for _, kind in one["targets"])]
        return load

    def values(self, event: dict[str, Any], tenant: str) -> list[Any]:
        """Make inputs that Gradio lets through to the handler."""
        return [self._value(self._components[number], tenant) for number in event["inputs"]]

    @staticmethod
    def _value(component: dict[str, Any], tenant: str) -> Any:
        props = component["props"]
        if props.get("elem_id") == "tenant":
            return tenant
        if component["type"] == "textbox":
            return "the printer"
        value = props.get("value")
        return None if isinstance(value, dict) else value


class Page:
    """The English page as a script would open it: `events` are the handlers that Gradio runs for it."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._session = secrets.token_hex(8)
        self._handlers = Handlers(client.get("/en/").text)
        self.events = self._handlers.events

    def arrive(self) -> str:
        """Open the page as a browser does."""
        return self.call(self._handlers.load, "")

    def call(self, event: dict[str, Any], tenant: str, click: dict[str, Any] | None = None) -> str:
        """Run one handler, and answer all that came back."""
        values = self._handlers.values(event, tenant)
        sent = {"data": values, "fn_index": event["id"], "event_data": click, "session_hash": self._session}
        if not event["queue"]:
            return self._client.post("/en/gradio_api/run/predict", json=sent).text
        said = self._client.post("/en/gradio_api/queue/join", json=sent).text
        with self._client.stream("GET", "/en/gradio_api/queue/data", params={"session_hash": self._session}) as stream:
            for line in stream.iter_lines():
                said += line
                if "process_completed" in line or "close_stream" in line:
                    break
        return said
