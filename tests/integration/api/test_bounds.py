"""Bounds on what a client may take up of the daemon: bodies, connections, heads; and bytes that are no HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.support.daemons import RunningDaemon, wait_for
from tests.support.http.raw_http import UnixConnection
from tests.support.rights import as_me, as_user, host_with_roles


@pytest.fixture(scope="module")
def host() -> Iterator[RunningDaemon]:
    with host_with_roles() as daemon:
        yield daemon


def test_bodies_beyond_the_limit_are_refused(host: RunningDaemon) -> None:
    answer = as_user(host, "chief", "PUT", "/v1/tenants/big", b"#" * (3 * 1024 * 1024))
    assert (answer.status, answer.kind) == (413, "body-too-large")
    answer = as_user(host, "chief", "GET", "/v1/tenants", **{"Content-Length": str(10**12)})
    assert answer.status == 413


def test_one_uid_cannot_take_every_connection(host: RunningDaemon) -> None:
    held = [UnixConnection(host.paths.daemon_socket, timeout=5) for _ in range(512)]
    try:
        for connection in held:
            connection.connect()

        def refused() -> bool:
            answer = as_me(host, "GET", "/v1/health")
            return answer.status == 503 and answer.kind == "unavailable"

        wait_for(refused, what="the refusal of one connection more")
        assert as_user(host, "chief", "GET", "/v1/health").status == 200
    finally:
        for connection in held:
            connection.close()
    wait_for(lambda: as_me(host, "GET", "/v1/health").status == 200, what="a free connection")


def test_a_head_without_end_is_refused(host: RunningDaemon) -> None:
    connection = UnixConnection(host.paths.daemon_socket)
    connection.connect()
    with suppress(BrokenPipeError):  # it need not read to the end to refuse
        connection.sock.sendall(b"GET /v1/health HTTP/1.1\r\nX: " + b"y" * (1024 * 1024))
    assert connection.sock.recv(64).startswith(b"HTTP/1.1 400 ")
    connection.close()


@pytest.mark.parametrize("raw", [b"nonsense\r\n\r\n", b"\x16\x03\x01\x02\x00", b"CONNECT x:1 HTTP/1.1\r\n\r\n"])
def test_what_is_no_http_gets_a_problem(host: RunningDaemon, raw: bytes) -> None:
    connection = UnixConnection(host.paths.daemon_socket)
    connection.connect()
    connection.sock.sendall(raw)
    answer = connection.sock.recv(4096)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answer
    connection.close()
