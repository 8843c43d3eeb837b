"""A hub on loopback: as much of the models' HTTP API as huggingface_hub asks for, serving one folder."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """A hub; `refuse` answers all with that status and error code, `break_after` ends downloads there, in bytes."""

    model: str
    folder: Path
    refuse: tuple[int, str] | None = None
    break_after: int | None = None
    wrong: set[str] = field(default_factory=set)  # files that arrive with other bytes than announced
    asked: list[str] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    url: str = ""

    def files(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.folder)): path.read_bytes() for path in self.folder.rglob("*") if path.is_file()
        }

    def siblings(self) -> list[dict[str, Any]]:
        return [{"rfilename": name, **_describe(name, content)} for name, content in self.files().items()]

    def tree(self) -> list[dict[str, Any]]:
        return [
            {"type": "file", "path": name, "oid": "0" * 40, **_describe(name, content)}
            for name, content in self.files().items()
        ]


def _describe(name: str, content: bytes) -> dict[str, Any]:
    described: dict[str, Any] = {"size": len(content), "blobId": "0" * 40}
    if name.endswith(".safetensors"):
        sum_ = hashlib.sha256(content).hexdigest()
        described["lfs"] = {"sha256": sum_, "oid": sum_, "size": len(content), "pointerSize": 134}
    return described


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_GET(self) -> None:
        self._serve(body=True)

    def do_HEAD(self) -> None:
        self._serve(body=False)

    def log_message(self, *_: Any) -> None:
        """The tests' output is for the tests."""

    def _serve(self, *, body: bool) -> None:
        hub, path = self.hub, unquote(urlsplit(self.path).path)
        hub.asked.append(f"{self.command} {path}")
        if hub.refuse is not None:
            self._error(*hub.refuse)
        elif path.removeprefix(f"/api/models/{hub.model}") in ("", "/revision/main", f"/revision/{COMMIT}"):
            self._json({"id": hub.model, "sha": COMMIT, "siblings": hub.siblings()})
        elif path.startswith(f"/api/models/{hub.model}/revision/"):
            self._error(404, "RevisionNotFound")
        elif path == f"/api/models/{hub.model}/tree/{COMMIT}":
            self._json(hub.tree())
        elif path.startswith(prefix := f"/{hub.model}/resolve/{COMMIT}/"):
            self._file(path.removeprefix(prefix), body=body)
        else:
            self._error(404, "RepoNotFound")

    def _json(self, answer: Any) -> None:
        self._answer(200, json.dumps(answer).encode(), {"content-type": "application/json"})

    def _error(self, status: int, code: str) -> None:
        self._answer(status, b"{}", {"x-error-code": code, "x-error-message": code})

    def _file(self, name: str, *, body: bool) -> None:
        content = self.hub.files().get(name)
        if content is None:
            self._error(404, "EntryNotFound")
            return
        etag = hashlib.sha256(content).hexdigest()
        if name in self.hub.wrong:
            content = bytes(len(content))
        headers = {"etag": f'"{etag}"', "x-repo-commit": COMMIT, "accept-ranges": "bytes"}
        status, start = 200, 0
        if (wanted := self.headers.get("range")) and wanted.startswith("bytes="):
            self.hub.ranges.append(f"{name} {wanted}")
            start = int(wanted.removeprefix("bytes=").split("-")[0])
            status = 206
            headers["content-range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._answer(status, content[start:], headers, body=body)

    def _answer(self, status: int, content: bytes, headers: dict[str, str], *, body: bool = True) -> None:
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if not body:
            return
        limit = self.hub.break_after
        self.wfile.write(content if limit is None else content[:limit])
        if limit is not None and limit < len(content):
            self.close_connection = True


@contextmanager
def hub(model: str, folder: Path) -> Iterator[Hub]:
    served = Hub(model, folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": served}))
    served.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
