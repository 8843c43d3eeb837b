"""A real encoder process on real sockets, without a daemon: what it is passed is made here."""

from __future__ import annotations

import http.client
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.core.config.tenant_config import TenantConfig
from daemon.core.encoder_protocol import progress_page
from daemon.core.encoder_protocol.control import MAX_PACKET_BYTES, FromEncoder, Ready, Refused, Stop, from_encoder
from daemon.core.encoder_protocol.progress_page import ProgressReader
from daemon.core.http import sockets

TENANT = "acme"
BASE = f"/v1/tenants/{TENANT}"
PATIENCE_S = 60.0
# Five entries; the last one is the only English one.
SEED = "苹果是一种很好吃的水果\n我今天想吃香蕉\n\n番茄炒蛋是经典家常菜\n机器学习需要大量数据\nhow to reset a password\n"


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("encoder", timeout=PATIENCE_S)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class RunningEncoder:
    """An encoder process; `control` is the daemon's end of the control channel; closing it is the daemon's death."""

    def __init__(self, data: Path, config: dict[str, Any], seed: str | None, environment: dict[str, str]) -> None:
        self.data = data
        self.socket = data / "encoder.sock"
        listener = sockets.bind(self.socket, 0o600)
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._page = progress_page.create()
        self.progress = ProgressReader(self._page)
        memories = {"config": TenantConfig.model_validate(config).model_dump_json()}
        if seed is not None:
            memories["seed"] = seed
        passed = {name: _memory(name, text) for name, text in memories.items()}
        passed |= {"listen": listener.fileno(), "control": theirs.fileno(), "progress": self._page}
        self._log = (data / "log").open("ab")
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "daemon.encoder", "--tenant", TENANT, "--data", str(data)),
                *(word for name, fd in passed.items() for word in (f"--{name}-fd", str(fd))),
            ],
            pass_fds=list(passed.values()),
            stderr=self._log,
            env={**os.environ, **environment},
        )
        for name in memories:
            os.close(passed[name])
        listener.close()
        theirs.close()

    # --- the control channel ---

    def hear(self, patience_s: float = PATIENCE_S) -> FromEncoder | None:
        """The next message; None at the end of file."""
        if not select.select([self.control], [], [], patience_s)[0]:
            raise AssertionError(f"the encoder said nothing within {patience_s:g} s; its log:\n{self.log()}")
        packet = self.control.recv(MAX_PACKET_BYTES)
        return from_encoder.validate_json(packet) if packet else None

    def heard(self, *kinds: type[Any]) -> list[FromEncoder]:
        """Everything up to the first message of one of these kinds."""
        messages: list[FromEncoder] = []
        while not messages or not isinstance(messages[-1], kinds):
            message = self.hear()
            if message is None:
                raise AssertionError(f"the encoder ended before {kinds}; its log:\n{self.log()}")
            messages.append(message)
        return messages

    def ready(self) -> Ready:
        last = self.heard(Ready, Refused)[-1]
        assert isinstance(last, Ready), f"{last}\n{self.log()}"
        return last

    def refused(self) -> Refused:
        last = self.heard(Ready, Refused)[-1]
        assert isinstance(last, Refused)
        assert self.wait() == 78
        return last

    def stop(self) -> int:
        self.control.send(Stop().model_dump_json().encode())
        return self.wait()

    def wait(self, patience_s: float = PATIENCE_S) -> int:
        return self.process.wait(timeout=patience_s)

    def log(self) -> str:
        return (self.data / "log").read_text()

    # --- HTTP ---

    def connection(self) -> http.client.HTTPConnection:
        return _Connection(self.socket)

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Reply:
        """Ask the encoder; `path` below the tenant's unless it starts with /; a body that is no bytes goes as JSON."""
        target = path if path.startswith("/") else f"{BASE}/{path}"
        sent = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body, sent = json.dumps(body).encode(), {"content-type": "application/json", **sent}
        connection = self.connection()
        try:
            connection.request(method, target, body, sent)
            response = connection.getresponse()
            return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def ok(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        reply = self.ask(method, path, body, headers)
        assert reply.status < 400, reply.body
        return reply.json()

    def search(self, query: str, **more: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ok("POST", "search", {"query": query, **more})["results"]
        return found

    def best(self, query: str) -> str:
        text: str = self.search(query, k=1)[0]["text"]
        return text

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.control.close()
        self.progress.close()
        os.close(self._page)
        self._log.close()
        self.socket.unlink(missing_ok=True)


def _memory(name: str, text: str) -> int:
    fd = os.memfd_create(name)
    os.write(fd, text.encode())
    return fd


def config(**changes: Any) -> dict[str, Any]:
    """A tenant on the fake; `changes` extend its sections."""
    made: dict[str, Any] = {"encoder": {"backend": "fake"}}
    for section, fields in changes.items():
        made[section] = {**made.get(section, {}), **fields}
    return made


def fake(mode: str = "ok", **fields: Any) -> dict[str, Any]:
    return config(encoder={"fake": {"mode": mode, **fields}})


@contextmanager
def running(
    data: Path | None = None,
    settings: dict[str, Any] | None = None,
    seed: str | None = None,
    environment: dict[str, str] | None = None,
) -> Iterator[RunningEncoder]:
    """An encoder process, not necessarily ready yet; ended afterwards."""
    with tempfile.TemporaryDirectory(prefix="vw-") as temporary:
        folder = data or Path(temporary)
        folder.mkdir(exist_ok=True)
        encoder = RunningEncoder(folder, settings or config(), seed, environment or {})
        try:
            yield encoder
        finally:
            encoder.end()


def until(condition: Any, what: str, patience_s: float = PATIENCE_S) -> Any:
    end = time.monotonic() + patience_s
    while not (value := condition()):
        assert time.monotonic() < end, f"{what} did not come true within {patience_s:g} s"
        time.sleep(0.005)
    return value
