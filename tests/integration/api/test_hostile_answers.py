"""An encoder that answers the daemon with malice: its own tenant is served badly, everybody else as ever."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psutil
import pytest

from daemon.core.units import MIB
from tests.stubs.hostile_encoder import WAYS
from tests.support.daemons import RunningDaemon, fake_tenant, running_daemon, wait_for
from tests.support.http.raw_http import UnixConnection

PATIENCE_S = 2.0
SILENCE_S = 0.5  # after an answer: anything more that is on its way would be here
MAX_GROWTH = 48 * MIB
ENTRY = "an entry of the other tenant"


@pytest.fixture(scope="module")
def host() -> Iterator[RunningDaemon]:
    quick = {"wait_s": 0.5, "deadline_s": 1}
    tenants = {"good": fake_tenant(), "evil": fake_tenant(search=quick)}
    with running_daemon(tenants, start=False, health={"every_s": 0.5}) as daemon:
        daemon.module = "tests.stubs.hostile_daemon"
        daemon.start().ready("good", "evil")
        with daemon.client() as client:
            client.set_texts("good", [ENTRY])
        yield daemon
        bugs = [line[:3000] for line in daemon.output().splitlines() if "Traceback" in line or "request-failed" in line]
        assert bugs == []


def ask_evil(host: RunningDaemon, way: str) -> bytes:
    """Return what comes back within PATIENCE_S, until SILENCE_S pass without more: at most 4 MiB of it."""
    connection = UnixConnection(host.paths.daemon_socket, timeout=PATIENCE_S)
    body = json.dumps({"query": way}).encode()
    said = b""
    with closing(connection):
        connection.request("POST", "/v1/tenants/evil/search", body, {"content-type": "application/json"})
        end = time.monotonic() + PATIENCE_S
        try:
            while len(said) < 4 * MIB and time.monotonic() < end and (part := connection.sock.recv(65536)):
                said += part
                connection.sock.settimeout(SILENCE_S)
        except TimeoutError:
            pass
    return said


def longest_search(host: RunningDaemon, count: int = 20) -> float:
    worst = 0.0
    with host.client() as client:
        for _ in range(count):
            began = time.monotonic()
            assert client.search("good", ENTRY).results[0].text == ENTRY
            worst = max(worst, time.monotonic() - began)
    return worst


@pytest.mark.parametrize("way", WAYS)
def test_the_daemon_and_the_others_do_not_mind(host: RunningDaemon, way: str) -> None:
    assert host.process is not None
    process = psutil.Process(host.process.pid)
    host.wait_state("evil", "ready")
    before, descriptors = process.memory_info().rss, process.num_fds()
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(ask_evil, [host] * 2, [way] * 2))
    wait_for(lambda: longest_search(host) < 1.5, what="searches of the other tenant as quick as ever")
    for one in said:
        assert b"forged" not in one
        assert b"Traceback" not in one
        assert b'"kind":"internal"' not in one.replace(b" ", b"")
        head = one.partition(b"\r\n\r\n")[0].lower()
        assert b"set-cookie" not in head
        assert b"refresh" not in head
        assert head.count(b"vecward-request") <= 1
    assert process.memory_info().rss < before + MAX_GROWTH
    wait_for(lambda: process.num_fds() <= descriptors + 6, what="descriptors as few as before")


def test_many_at_once_take_bounded_memory(host: RunningDaemon) -> None:
    """Endless answers that nobody reads wait in the encoder, not in the daemon."""
    assert host.process is not None
    process = psutil.Process(host.process.pid)
    host.wait_state("evil", "ready")
    before = process.memory_info().rss
    held = []
    for _ in range(40):
        connection = UnixConnection(host.paths.daemon_socket, timeout=5)
        body = json.dumps({"query": "endless body"}).encode()
        connection.request("POST", "/v1/tenants/evil/search", body, {"content-type": "application/json"})
        held.append(connection)
    wait_for(lambda: longest_search(host) < 1.5, what="searches of the other tenant as quick as ever")
    assert process.memory_info().rss < before + 80 * MIB
    for connection in held:
        connection.close()
    wait_for(lambda: longest_search(host, 3) < 0.5, what="searches as quick as ever")
