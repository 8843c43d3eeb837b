"""Errors of the client: refusals, nobody who answers, and answers that are none."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from daemon.client import AsyncClient, DaemonUnreachable
from daemon.core import errors
from daemon.core.http.problems import status_of, to_problem
from tests.support.http import answers
from tests.support.http.api_stub import Canned, Stub, problem, serving

SEARCH = "POST /v1/tenants/acme/search"
HEALTH = "GET /v1/health"


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    with tempfile.TemporaryDirectory(prefix="vw-") as folder:
        async with serving(Stub(Path(folder) / "run/daemon.sock")) as stub:
            yield stub


@pytest.mark.parametrize("cls", errors.all_kinds().values())
async def test_a_problem_is_raised_as_the_error_of_its_kind(stub: Stub, cls: type[errors.VecwardError]) -> None:
    refusal = cls("cannot do it; do that instead", retry_after=1.5, id=3)
    stub.answers[SEARCH] = Canned(to_problem(refusal), status_of(refusal))
    async with AsyncClient(stub.socket) as client:
        with pytest.raises(cls) as caught:
            await client.search("acme", "x")
    assert type(caught.value) in (cls, errors.InternalError)
    assert caught.value.message == refusal.message
    assert caught.value.retry_after == 1.5
    assert caught.value.details == {"id": 3}


async def test_a_problem_of_a_newer_daemon(stub: Stub) -> None:
    stub.answers[SEARCH] = Canned(problem("brand-new", "cannot", message="x", self="y"), 418)
    async with AsyncClient(stub.socket) as client:
        with pytest.raises(errors.InternalError, match="cannot"):
            await client.search("acme", "x")


@pytest.mark.parametrize("told", [Canned(b"<html>", 502, "text/html"), Canned(b"[]", 500, "application/problem+json")])
async def test_a_refusal_that_is_no_problem_document(stub: Stub, told: Canned) -> None:
    stub.answers[HEALTH] = told
    async with AsyncClient(stub.socket) as client:
        with pytest.raises(errors.InternalError, match=f"status {told.status}"):
            await client.health()


@pytest.mark.parametrize("body", [b"{}", b"not JSON", b"[]", b'{"status": "ill"}'])
async def test_an_answer_of_another_shape(stub: Stub, body: bytes) -> None:
    stub.answers[HEALTH] = Canned(body)
    async with AsyncClient(stub.socket) as client:
        with pytest.raises(errors.InternalError, match="cannot read the daemon's answer"):
            await client.health()


async def test_keys_that_a_newer_daemon_adds_are_no_error(stub: Stub) -> None:
    stub.answers[HEALTH] = Canned({**answers.HEALTH, "mood": "good"})
    async with AsyncClient(stub.socket) as client:
        assert (await client.health()).version == "0.1.0"


async def test_nobody_answers(tmp_path: Path) -> None:
    socket = tmp_path / "run" / "daemon.sock"
    async with AsyncClient(socket) as client:
        with pytest.raises(DaemonUnreachable) as caught:
            await client.health()
    assert str(socket) in caught.value.message
    assert caught.value.message.endswith(f"start it with: vecward --root {tmp_path} up")


async def test_the_systems_own_daemon_needs_no_root_to_start() -> None:
    async with AsyncClient(Path("/nonexistent/vecward.sock")) as client:
        with pytest.raises(DaemonUnreachable, match=r"start it with: vecward up$"):
            await client.health()


async def test_a_socket_file_that_nobody_serves(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("")
    async with AsyncClient(tmp_path / "s") as client:
        with pytest.raises(DaemonUnreachable, match="refused"):
            await client.health()


def test_a_socket_path_that_the_kernel_would_not_take() -> None:
    with pytest.raises(errors.InvalidConfig, match="at most 107"):
        AsyncClient(Path("/" + "x" * 200))


async def test_a_lost_read_is_not_sent_again(stub: Stub) -> None:
    stub.answers[HEALTH] = Canned(drop=True)
    async with AsyncClient(stub.socket) as client:
        with pytest.raises(DaemonUnreachable) as caught:
            await client.health()
    assert "look before you repeat it" not in caught.value.message
    assert caught.value.details["before_response"] is True
    assert len(stub.asked) == 1


async def test_a_lost_change_may_have_been_made(stub: Stub) -> None:
    stub.answers["POST /v1/tenants/acme/undo"] = Canned(drop=True)
    async with AsyncClient(stub.socket) as client:
        with pytest.raises(DaemonUnreachable, match="look before you repeat it"):
            await client.undo("acme")
    assert len(stub.asked) == 1


async def test_a_text_that_is_not_unicode_is_not_sent(stub: Stub) -> None:
    async with AsyncClient(stub.socket) as client:
        with pytest.raises(errors.Invalid, match="not valid Unicode"):
            await client.search("acme", "a\udcff")
    assert stub.asked == []


@pytest.mark.parametrize("session", ["a\r\nb: c", "ä", "a\x00"])
def test_a_session_that_is_none(session: str) -> None:
    with pytest.raises(errors.BadRequest, match="sign in again"):
        AsyncClient(Path("/nonexistent"), user="demo", session=session)
