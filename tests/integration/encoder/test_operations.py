"""Operations under kills, cancels and restarts: they end, and leave exactly what their result says."""

from __future__ import annotations

import io
import os
import random
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from daemon.client import Client
from daemon.core.errors import DaemonUnreachable, TenantStarting
from daemon.core.wire import Operation, OperationState
from tests.conftest import StartDaemon
from tests.storms import dice, limit, rounds, storm
from tests.support.daemons import RunningDaemon, after_steps, fake_tenant, running_daemon, wait_for
from tests.support.encoder.durability import base_of

LINES = [f"line number {number} of the file" for number in range(4000)]
FILE = "\n".join(LINES).encode()
KILLS = rounds(4)
MOST_STEPS = 56  # a little more than an import of 2000 lines has


@pytest.fixture
def daemon() -> Iterator[RunningDaemon]:
    slow = fake_tenant(encoder={"fake": {"mode": "slow", "delay_ms": 20}}, search={"wait_s": 20})
    with running_daemon({"acme": slow}) as daemon:
        yield daemon.ready("acme")


@pytest.fixture
def client(daemon: RunningDaemon) -> Iterator[Client]:
    with daemon.client() as client:
        yield client


def import_(client: Client, file: bytes = FILE, mode: str = "add") -> Operation:
    return client.import_entries("acme", file, "text/plain", mode)  # type: ignore[arg-type]


def pid_of(daemon: RunningDaemon) -> int:
    pid = daemon.wait_state("acme", "ready").pid
    assert pid is not None
    return pid


def kill(daemon: RunningDaemon, pid: int, steps: int) -> None:
    """Kills the encoder after so many steps of its work; returns when the daemon knows it."""
    after_steps(pid, steps, deadline_s=1)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: daemon.tenant("acme").pid != pid, what="the daemon to see the encoder's end")


def told(operation: Operation) -> int:
    return operation.progress.done if operation.progress is not None else 0


def check_exact(client: Client, ended: Operation) -> int:
    """The base holds what the result says, in the file's order."""
    assert ended.result is not None or told(ended) == 0
    added = ended.result["added"] if ended.result else 0
    assert list(base_of(client, "acme").values()) == LINES[:added]
    return int(added)


@storm
@limit(120)
def test_a_killed_import_leaves_exactly_its_result(daemon: RunningDaemon, client: Client) -> None:
    chance, reached = random.Random(dice(5)), []  # noqa: S311 - a test's dice
    for _ in range(KILLS):
        started = import_(client)
        wanted = chance.randrange(0, len(LINES) // 2)
        seen = wait_for(lambda wanted=wanted, id_=started.id: _beyond(client, id_, wanted), what="progress")
        kill(daemon, pid_of(daemon), chance.randrange(8))
        ended = client.wait("acme", started.id, timeout=60)
        assert ended.state is OperationState.INTERRUPTED
        added = check_exact(client, ended)
        assert added >= told(seen), "what was told before the kill is there"
        reached.append(added)
        client.set_texts("acme", [])
    assert max(reached) > 0


def _beyond(client: Client, id_: str, done: int) -> Operation | None:
    operation = client.operation("acme", id_)
    return operation if told(operation) >= done else None


@storm
@limit(120)
def test_a_killed_import_in_place_of_everything_is_whole_or_nothing(daemon: RunningDaemon, client: Client) -> None:
    client.set_texts("acme", ["an entry from before"])
    chance = random.Random(dice(6))  # noqa: S311 - a test's dice
    for _ in range(KILLS // 2):
        before = set(base_of(client, "acme").values())
        lines = [f"{line} and {chance.randrange(10**9)}" for line in LINES[:2000]]
        pid = pid_of(daemon)
        started = import_(client, "\n".join(lines).encode(), "set")
        kill(daemon, pid, chance.randrange(MOST_STEPS))
        ended = client.wait("acme", started.id, timeout=60)
        after = set(lines) if ended.state is OperationState.DONE else before
        assert ended.state in (OperationState.DONE, OperationState.INTERRUPTED)
        assert set(base_of(client, "acme").values()) == after


def test_a_killed_daemon_interrupts_it_too(daemon: RunningDaemon) -> None:
    with daemon.client() as client:
        started = import_(client)
        seen = wait_for(lambda: _beyond(client, started.id, 500), what="progress")
        daemon.kill()
        with pytest.raises(DaemonUnreachable):
            client.operation("acme", started.id)
    daemon.start().ready("acme")
    with daemon.client() as client:
        ended = client.operation("acme", started.id)
        assert ended.state is OperationState.INTERRUPTED
        assert check_exact(client, ended) >= told(seen)


def test_a_cancelled_import_leaves_exactly_its_result(client: Client) -> None:
    started = import_(client)
    wait_for(lambda: _beyond(client, started.id, 500), what="progress")
    ended = client.cancel("acme", started.id)
    assert ended.state is OperationState.CANCELLED
    assert 500 <= check_exact(client, ended) < len(LINES)
    assert client.cancel("acme", started.id) == ended
    done = client.wait("acme", import_(client).id, timeout=60)
    assert done.state is OperationState.DONE
    assert list(base_of(client, "acme").values()) == LINES


@pytest.fixture
def slow_start(start_daemon: StartDaemon) -> RunningDaemon:
    """A tenant whose seed takes 0.4 s for each 512 lines."""
    slow = fake_tenant(encoder={"fake": {"mode": "slow", "delay_ms": 400}}, knowledge={"seed": "seed.txt"})
    daemon = start_daemon(start=False)
    daemon.write_tenant("acme", slow)
    (daemon.paths.tenants_d / "seed.txt").write_bytes(FILE)
    return daemon.start()


def encoding(client: Client, id_: str) -> Operation | None:
    operation = client.operation("acme", id_)
    progress = operation.progress
    return operation if progress and progress.unit == "encoding entries" and progress.done else None


def test_a_start_has_progress_and_can_be_cancelled(slow_start: RunningDaemon) -> None:
    with slow_start.client() as client:
        client.wait("acme", client.stop("acme").id)
        started = client.start("acme")
        seen = wait_for(lambda: encoding(client, started.id), what="progress")
        assert seen.progress is not None
        assert 0 < seen.progress.done < (seen.progress.total or 0) == len(LINES)
        ended = client.cancel("acme", started.id)
        assert ended.state is OperationState.CANCELLED
        view = slow_start.wait_state("acme", "stopped")
        assert view.goal == "down"
        again = client.start("acme")
        assert client.wait("acme", again.id, timeout=60).state is OperationState.DONE
        assert client.cancel("acme", again.id).state is OperationState.DONE
        assert slow_start.tenant("acme").state == "ready"
        assert client.entries("acme", limit=1).total == len(LINES)


def test_a_cancelled_start_of_a_tenant_that_was_to_be_up_takes_nothing_back(slow_start: RunningDaemon) -> None:
    with slow_start.client() as client:
        slow_start.wait_state("acme", "warming")
        started = client.start("acme")
        assert client.cancel("acme", started.id).state is OperationState.CANCELLED
        assert slow_start.wait_state("acme", "ready").goal == "up"


def test_a_daemon_that_ends_interrupts_a_start_and_keeps_its_goal(slow_start: RunningDaemon) -> None:
    with slow_start.client() as client:
        client.wait("acme", client.stop("acme").id)
        started = client.start("acme")
        wait_for(lambda: encoding(client, started.id), what="progress")
        assert slow_start.stop() == 0
        slow_start.start()
        assert client.operation("acme", started.id).state is OperationState.INTERRUPTED
        assert slow_start.tenant("acme").goal == "up"


def test_a_cancelled_restore_changes_nothing(start_daemon: StartDaemon) -> None:
    slow = fake_tenant(encoder={"batch_tokens": 64, "fake": {"mode": "slow", "delay_ms": 20, "dimension": 96}})
    daemon = start_daemon({"source": fake_tenant(), "acme": slow}).ready("source", "acme")
    with daemon.client() as client:
        client.set_texts("source", LINES)
        file = b"".join(client.backup("source"))
        client.set_texts("acme", ["an entry from before"])
        started = client.restore("acme", io.BytesIO(file), source="source")
        wait_for(lambda: encoding(client, started.id), what="progress")
        assert client.cancel("acme", started.id).state is OperationState.CANCELLED
        assert list(base_of(client, "acme").values()) == ["an entry from before"]
        assert list(daemon.paths.tenant("acme").data.glob(".*")) == []
        again = client.restore("acme", io.BytesIO(file), source="source")
        assert client.cancel("acme", again.id).state is OperationState.CANCELLED, "another one can begin"


def test_a_restart_in_order_interrupts_it(client: Client) -> None:
    started = import_(client)
    wait_for(lambda: _beyond(client, started.id, 300), what="progress")
    client.wait("acme", client.restart("acme").id)
    ended = client.operation("acme", started.id)
    assert ended.state is OperationState.INTERRUPTED
    assert 300 <= check_exact(client, ended) < len(LINES)


def test_waiting_goes_on_over_a_restart(start_daemon: StartDaemon) -> None:
    """A long poll may wait longer than `wait_s`, by which other requests are bounded."""
    slow = fake_tenant(encoder={"batch_tokens": 64, "fake": {"mode": "slow", "delay_ms": 8}}, search={"wait_s": 5})
    daemon = start_daemon({"acme": slow}).ready("acme")
    with daemon.client() as client, daemon.client() as other:
        started = import_(client)
        ended: list[Operation] = []
        began = time.monotonic()
        waiting = threading.Thread(target=lambda: ended.append(client.wait("acme", started.id, timeout=120)))
        waiting.start()
        wait_for(lambda: time.monotonic() > began + 5.5, what="more than wait_s")
        assert waiting.is_alive()
        os.kill(pid_of(daemon), signal.SIGKILL)
        waiting.join(60)
        assert [operation.state for operation in ended] == [OperationState.INTERRUPTED]
        assert other.operation("acme", started.id) == ended[0]


@storm
@limit(120)
def test_an_import_that_a_kill_interrupts_at_its_start_begins_once(daemon: RunningDaemon, client: Client) -> None:
    """The request is sent again by the daemon: it means the same operation."""
    chance = random.Random(dice(7))  # noqa: S311 - a test's dice
    for _ in range(KILLS):
        pid = pid_of(daemon)
        client.set_texts("acme", [])
        killer = threading.Thread(target=kill, args=(daemon, pid, chance.randrange(8)))
        killer.start()
        try:
            started = import_(client)
        except TenantStarting:
            continue
        finally:
            killer.join()
        ended = client.wait("acme", started.id, timeout=60)
        assert ended.state in (OperationState.DONE, OperationState.INTERRUPTED)
        check_exact(client, ended)
