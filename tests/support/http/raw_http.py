"""Requests as an attacker types them: any path, any header, over a Unix socket."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class RawAnswer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def kind(self) -> str | None:
        """The problem's kind; None where the answer is no problem."""
        problem = self.headers.get("content-type") == "application/problem+json"
        return str(self.json()["kind"]) if problem else None


class UnixConnection(HTTPConnection):
    def __init__(self, path: Path, timeout: float = 30) -> None:
        super().__init__("vecward", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask(
    path: Path, method: str, target: str, body: bytes | str | None = None, headers: Mapping[str, str] | None = None
) -> RawAnswer:
    """Send one request on a connection of its own; the target goes out as it is."""
    connection = UnixConnection(path)
    try:
        connection.request(method, target, body, dict(headers or {}))
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return RawAnswer(response.status, found, response.read())
    finally:
        connection.close()
