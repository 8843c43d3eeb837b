"""Anything at all, sent to root's sockets: refused in words, without a trace of the inside, and nothing left behind."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from urllib.parse import quote, urlencode

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.api.routes import ROUTES, Route
from daemon.core.config import passwords, users
from tests.support.daemons import RunningDaemon, fake_tenant, running_daemon, wait_for
from tests.support.http.raw_http import UnixConnection

EXAMPLES = int(os.environ.get("VECWARD_FUZZ", "12"))  # of each operation
FUZZ = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
PROMISED = {503, 507}  # of all 5xx: starting, stopped, hung, full


@pytest.fixture(scope="module")
def host() -> Iterator[RunningDaemon]:
    """A daemon of two tenants: `acme` is asked; `prey` is started, stopped, changed and destroyed."""
    quick = {"wait_s": 0.2, "wake_wait_s": 0.2}
    tenants = {name: fake_tenant(access={"searchers": ["user:searcher"]}, search=quick) for name in ("acme", "prey")}
    with running_daemon(tenants, start=False, admins=["user:chief", f"uid:{os.getuid()}"]) as daemon:
        users.save(
            daemon.paths.users_yaml, {n: passwords.hash_password("correct horse") for n in ("chief", "searcher")}
        )
        daemon.start().ready("acme")
        with daemon.client() as client:
            client.set_texts("acme", [f"entry number {number} of the fuzzed base" for number in range(20)])
        process = psutil.Process(daemon.process.pid) if daemon.process else None
        assert process is not None
        settled = process.num_fds()
        yield daemon
        wait_for(lambda: process.num_fds() <= settled + 8, what="descriptors as few as before")
        assert process.memory_info().rss < 400 << 20
        said = daemon.output()
        assert "Traceback" not in said
        assert "request-failed" not in said
        assert "request-failed" not in daemon.encoder_log("acme")


# --- every operation ------------------------------------------------------------------------------------

_NUMBERS = ["0", "1", "-1", "5", "nan", "inf", "1e400", "0x10", "1_000", "１"] + [
    str(n) for n in (2**31, 2**63, -(2**63), 2**70)
]
_WORDS = [
    "true",
    "null",
    "../..",
    "%00",
    "%2e%2e",
    "acme",
    "name",
    "-state",
    "{}",
    "[]",
    "2026-02-30",
    "9999-12-31",
    "0000-00-00",
]
_TEXTS = ["", " 1", "\x00", "a\r\nX: y", "\u202e", "\ud7ff", "'; DROP TABLE entries;--"]
NASTY = (*_NUMBERS, *_WORDS, *_TEXTS, "9" * 5000, "é" * 300)
words = st.one_of(st.sampled_from(NASTY), st.text(max_size=20))
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.sampled_from([2**63, 2**70, -1, 0, 1, 5]), st.floats(), words
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(words, inner, max_size=4)),
    max_leaves=8,
)
HEADERS = {
    "Content-Type": ("application/json", "text/plain", "text/csv", "application/x-ndjson", "text/html", "x", ""),
    "If-Match": ('"1"', "*", '"-1"', '"99999999999999999999"', "W/x", '"'),
    "Last-Event-ID": ("0", "-1", "x", str(2**70)),
    "Accept": ("*/*", "text/event-stream", "x" * 1000),
    "Vecward-Request": ("x", "0" * 32),
    "Vecward-Session": ("x", ""),
    "Expect": ("100-continue", "x"),
}


@st.composite
def requests(draw: st.DrawFn, route: Route) -> tuple[str, str, bytes | None, dict[str, str]]:
    lives = {"put_tenant", "delete_tenant", "start", "stop", "restart", "park"}
    path = route.path.replace("{tenant}", "prey" if route.name in lives else "acme")
    for name in ("operation", "entry"):
        path = path.replace(f"{{{name}}}", quote(draw(words), safe="") or "1")
    names = st.sampled_from([*route.query, "unknown"] if route.query else ["unknown"])
    query = draw(st.lists(st.tuples(names, words), max_size=3))
    target = f"{path}?{urlencode(query)}" if query else path
    body = draw(st.one_of(st.none(), st.binary(max_size=200), bodies(route)))
    headers = {name: draw(st.sampled_from(of)) for name, of in HEADERS.items() if draw(st.integers(0, 3)) == 0}
    return route.method, target, body, headers


def bodies(route: Route) -> st.SearchStrategy[bytes]:
    """Draw bodies of the operation's own shape, with anything in its places."""
    fields = sorted(route.request.model_fields) if route.request is not None else ["encoder", "title", "text"]
    shaped = st.dictionaries(st.sampled_from(fields), values, max_size=len(fields))
    return st.one_of(shaped, values).map(lambda value: json.dumps(value).encode())


def send(host: RunningDaemon, request: tuple[str, str, bytes | None, dict[str, str]], user: str) -> None:
    method, target, body, headers = request
    connection = UnixConnection(host.paths.console_socket, timeout=20)
    try:
        connection.request(method, target, body, {**headers, "Vecward-User": user})
        response = connection.getresponse()
        known_end = response.getheader("content-length") is not None
        said = response.read() if known_end else b""  # what is streamed is left at once
    finally:
        connection.close()
    status = response.status
    assert status < 500 or status in PROMISED, (request, said)
    assert b"Traceback" not in said
    assert b'File "' not in said
    if status >= 400:
        assert response.getheader("content-type") == "application/problem+json", (request, said)
        assert json.loads(said)["kind"] != "internal", (request, said)


@pytest.mark.parametrize("route", [r for r in ROUTES if r.name != "sign_in"], ids=lambda route: route.name)
def test_no_operation_breaks(host: RunningDaemon, route: Route) -> None:
    @FUZZ
    @given(requests(route), st.sampled_from(["chief", "chief", "searcher"]))
    def fuzz(request: tuple[str, str, bytes | None, dict[str, str]], user: str) -> None:
        # Waiting is what these are asked for; everything else answers at once.
        if "timeout=" not in request[1]:
            send(host, request, user)

    fuzz()


def test_no_sign_in_breaks(host: RunningDaemon) -> None:
    [route] = [r for r in ROUTES if r.name == "sign_in"]

    @FUZZ
    @given(requests(route))
    def fuzz(request: tuple[str, str, bytes | None, dict[str, str]]) -> None:
        send(host, request, "nobody")

    fuzz()


# --- raw bytes ------------------------------------------------------------------------------------------

_HEADERS = (
    b"Content-Length: 5",
    b"Content-Length: -1",
    b"Content-Length: 99999999999",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Host: ",
    b"Upgrade: h2c",
    b"Connection: upgrade, close",
    b"Expect: 100-continue",
    b"Vecward-User: chief",
)
_CHUNKS = (b"5\r\nhello\r\n", b"0\r\n\r\n", b"ffffffffffffffff\r\n", b"-5\r\n")
_REQUEST_LINE = (
    b"GET ",
    b"POST ",
    b"PUT ",
    b"/v1/tenants/acme/search",
    b"/v1/health",
    b" HTTP/1.1\r\n",
    b" HTTP/9.9\r\n",
)
_OTHER_PROTOCOLS = (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01")
_SCRAPS = b"\r\n|\n|\x00|\xff\xfe|{}|?a=b|http://x/v1/health|*|%|#|\r|\t".split(b"|")
PIECES = (
    *_REQUEST_LINE,
    *(header + b"\r\n" for header in _HEADERS),
    b"X:" + b" y" * 5000,
    *_CHUNKS,
    *_OTHER_PROTOCOLS,
    *_SCRAPS,
)


def statuses(raw: bytes) -> list[int]:
    """Return the status of each answer in the bytes that came back; bodies are JSON, and hold no such line."""
    return [int(part[:3]) for part in raw.split(b"HTTP/1.1 ")[1:]]


@settings(FUZZ, max_examples=25 * EXAMPLES)
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=40)), min_size=1, max_size=12).map(b"".join))
def test_no_bytes_break_it(host: RunningDaemon, raw: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(10)
        caller.connect(str(host.paths.daemon_socket))
        answered = exchange(caller, raw)
    assert all(status < 500 or status in PROMISED for status in statuses(answered)), (raw, answered)
    assert b"Traceback" not in answered


def exchange(caller: socket.socket, raw: bytes) -> bytes:
    """Send bytes and the end of the sending side, and return all that comes back."""
    answered = b""
    try:
        caller.sendall(raw)
        caller.shutdown(socket.SHUT_WR)
        while part := caller.recv(65536):
            answered += part
    except (BrokenPipeError, ConnectionResetError):
        pass  # it need not listen to the end
    return answered


def test_it_still_answers(host: RunningDaemon) -> None:
    with host.client() as client:
        client.set_texts("acme", ["an entry after all of that"])
        assert client.search("acme", "an entry after all of that").results[0].score > 0.9
