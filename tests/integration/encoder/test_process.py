"""One encoder process: its start, its end, and the fake's faults."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from daemon.core.encoder_protocol.control import Ready, Warming
from daemon.core.encoder_protocol.progress_page import CallKind
from tests.support.daemons import CHECKOUT
from tests.support.encoder.processes import PATIENCE_S, SEED, RunningEncoder, fake, running, until


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path


def test_it_tells_its_steps_then_that_it_is_ready() -> None:
    with running(seed=SEED) as encoder:
        messages = encoder.heard(Ready)
        assert isinstance(messages[0], Warming)
        assert all(isinstance(message, Warming) for message in messages[:-1])
        ready = messages[-1]
        assert isinstance(ready, Ready)
        assert (ready.entries, ready.revision, ready.dimension, ready.device) == (5, 1, 64, "cpu")
        assert ready.query_ms > 0


def test_the_seed_is_loaded_at_revision_0_only(data: Path) -> None:
    with running(data, seed=SEED) as encoder:
        encoder.ready()
        encoder.ok("PUT", "entries", {"texts": []})
        assert encoder.stop() == 0
    with running(data, seed=SEED) as encoder:
        assert (encoder.ready().entries, encoder.ok("GET", "history")["changes"][-1]["actor"]) == (0, "seed")


def test_a_second_start_encodes_nothing_and_reads_the_snapshot(data: Path) -> None:
    with running(data, seed=SEED) as encoder:
        encoder.ready()
        assert encoder.stop() == 0
    with running(data) as encoder:
        assert not any("encoding" in m.step for m in encoder.heard(Ready) if isinstance(m, Warming))
        assert "index-rebuilt" not in encoder.log().split("ready", 1)[1]
        assert encoder.best("reset password") == "how to reset a password"


def test_after_a_kill_everything_acknowledged_is_there(data: Path) -> None:
    with running(data) as encoder:
        encoder.ready()
        ids = encoder.ok("POST", "entries", {"entries": [{"text": "written just before"}]})["added"]
    with running(data) as encoder:
        encoder.ready()
        assert encoder.search("written just before", k=1)[0]["id"] == ids[0]


def test_a_damaged_snapshot_is_rebuilt(data: Path) -> None:
    with running(data, seed=SEED) as encoder:
        encoder.ready()
        encoder.stop()
    snapshot = data / "index" / "snapshot"
    raw = bytearray(snapshot.read_bytes())
    raw[-5] ^= 1
    snapshot.write_bytes(raw)
    with running(data) as encoder:
        encoder.ready()
        assert "checksum" in encoder.log()
        assert encoder.best("reset password") == "how to reset a password"


def test_another_model_encodes_all_entries_again(data: Path) -> None:
    with running(data, seed=SEED) as encoder:
        encoder.ready()
        encoder.stop()
    with running(data, fake(dimension=32)) as encoder:
        messages = encoder.heard(Ready)
        assert any(isinstance(m, Warming) and m.step == "re-embedding" and m.total == 5 for m in messages)
        assert encoder.best("reset password") == "how to reset a password"
        health = encoder.ok("GET", "/internal/health")
        assert health["entries_index"] == health["entries_base"] == 5


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (fake("slow", delay_ms=700) | {"search": {"deadline_s": 1}}, ["deadline_s", "0.7"]),
        ({"encoder": {"backend": "sentence-transformers", "model": "no/such"}}, ["no/such"]),
    ],
)
def test_a_start_that_cannot_succeed_is_refused_with_the_reason(settings: dict[str, Any], words: list[str]) -> None:
    with running(settings=settings) as encoder:
        refused = encoder.refused()
        assert refused.kind == "start-refused"
        assert all(word in refused.reason for word in words)


def test_a_damaged_base_is_refused(data: Path) -> None:
    (data / "knowledge.db").write_bytes(b"no database at all" * 100)
    with running(data) as encoder:
        assert "knowledge.db" in encoder.refused().reason
    assert (data / "knowledge.db").read_bytes().startswith(b"no database")


def test_a_crash_at_start_is_no_refusal() -> None:
    with running(settings=fake("crash-at-start")) as encoder:
        while encoder.hear() is not None:
            pass
        assert encoder.wait() == 1
        assert "told to crash" in encoder.log()


def test_stop_and_sigterm_end_it_in_order() -> None:
    for end in (RunningEncoder.stop, _terminate):
        with running(seed=SEED) as encoder:
            encoder.ready()
            assert end(encoder) == 0
            assert (encoder.data / "index" / "snapshot").exists()


def _terminate(encoder: RunningEncoder) -> int:
    encoder.process.send_signal(signal.SIGTERM)
    return encoder.wait()


@pytest.mark.parametrize("mode", ["ok", "never-ready"])
def test_a_stop_while_it_warms_up_ends_it(mode: str) -> None:
    with running(settings=fake(mode)) as encoder:
        encoder.hear()
        assert encoder.stop() == 0


def test_requests_that_run_are_answered_before_the_end() -> None:
    with running(settings=fake("slow", delay_ms=300), seed=SEED) as encoder, ThreadPoolExecutor() as pool:
        encoder.ready()
        answer = pool.submit(encoder.search, "password")
        until(lambda: encoder.progress.read().kind is CallKind.SEARCH, "the search's model call")
        assert encoder.stop() == 0
        assert answer.result(PATIENCE_S)


@pytest.mark.parametrize("mode", ["ok", "never-ready", "hang"])
def test_it_ends_when_the_daemon_is_gone(mode: str) -> None:
    with running(settings=fake(mode)) as encoder, ThreadPoolExecutor() as pool:
        encoder.hear()
        if mode == "hang":
            encoder.ready()
            pool.submit(encoder.ask, "POST", "search", {"query": "hang now"}).add_done_callback(lambda f: f.exception())
            until(lambda: encoder.progress.read().kind is CallKind.SEARCH, "the hanging call")
        encoder.control.close()
        assert encoder.wait(10) == 0


def test_it_dies_with_the_thread_that_started_it() -> None:
    """The kernel kills it (PR_SET_PDEATHSIG), even when it can't read its control channel."""
    script = textwrap.dedent(
        """
        import os, sys
        from tests.support.encoder.processes import RunningEncoder, fake
        from pathlib import Path
        encoder = RunningEncoder(Path(sys.argv[1]), fake(), None, {})
        encoder.ready()
        os.dup2(encoder.control.fileno(), int(sys.argv[2]))
        print(encoder.process.pid, flush=True)
        os._exit(0)
        """
    )
    held, spare = os.pipe()
    with tempfile.TemporaryDirectory(prefix="vw-") as folder:
        parent = subprocess.run(
            [sys.executable, "-c", script, folder, str(spare)],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            pass_fds=[spare],
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        )
        assert parent.returncode == 0, parent.stderr
        until(lambda: not Path(f"/proc/{int(parent.stdout)}").exists(), "the encoder's end", 10)
    os.close(held)
    os.close(spare)


def test_crash_on_request_kills_the_process() -> None:
    with running(settings=fake("crash-on-request", after=1), seed=SEED) as encoder:
        encoder.ready()
        assert encoder.search("password")
        with pytest.raises(OSError):  # noqa: PT011 - whichever way the connection breaks
            encoder.search("password again")
        assert encoder.wait() == 70


@pytest.mark.parametrize("mode", ["hang", "spin"])
def test_a_stuck_call_shows_on_the_progress_page(mode: str) -> None:
    with running(settings=fake(mode), seed=SEED) as encoder, ThreadPoolExecutor() as pool:
        encoder.ready()
        stuck = pool.submit(encoder.ask, "POST", "search", {"query": "get stuck"})
        until(lambda: encoder.progress.read().kind is CallKind.SEARCH, "the stuck call")
        first = encoder.progress.read()
        assert not stuck.done()
        assert encoder.progress.read() == first
        encoder.process.kill()
        assert isinstance(stuck.exception(PATIENCE_S), OSError)
