"""Supervision with real daemons, real encoders and real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from daemon.core.errors import (
    EncoderLost,
    TenantFailed,
    TenantStarting,
    TenantStopped,
    VecwardError,
)
from daemon.core.wire import Event, NewEntry, OperationState
from daemon.supervisor.tenants.starts.start_slots import at_once
from tests.conftest import StartDaemon
from tests.support.daemons import CHECKOUT, RunningDaemon, fake_tenant, wait_for

TEXTS = ["apples are a fruit", "the printer is out of paper", "reset your password here"]


def fill(daemon: RunningDaemon, tenant: str = "acme") -> None:
    with daemon.client() as client:
        client.add(tenant, [NewEntry(text=text) for text in TEXTS])


def crashes(daemon: RunningDaemon) -> list[Event]:
    with daemon.client() as client:
        return [event for event in client.events(after=0, limit=1000).events if event.name == "tenant-crashed"]


def test_a_killed_encoder_costs_latency_and_no_errors(daemon: RunningDaemon):
    fill(daemon)
    stop = threading.Event()
    errors: list[str] = []
    answered = [0] * 4

    def search(worker: int) -> None:
        with daemon.client() as client:
            while not stop.is_set():
                try:
                    assert client.search("acme", "apples").results[0].text == TEXTS[0]
                    answered[worker] += 1
                except VecwardError as error:
                    errors.append(f"{error.kind}: {error.message}")

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(search, worker) for worker in range(4)]
        for _ in range(5):
            pid = daemon.wait_state("acme", "ready").pid
            assert pid is not None
            before = sum(answered)
            wait_for(lambda before=before: sum(answered) > before + 20, what="searches before the kill")
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda pid=pid: daemon.tenant("acme").pid not in (None, pid), what="a new encoder")
        stop.set()
        for future in futures:
            future.result()
    assert errors == []
    view = daemon.tenant("acme")
    assert view.restarts == 5
    assert view.crash is not None
    assert (view.crash.signal, view.crash.reason) == ("SIGKILL", "the encoder ended by SIGKILL")


def test_writes_interrupted_by_kills_happen_once(daemon: RunningDaemon):
    added: list[str] = []
    stop = threading.Event()

    def write() -> None:
        with daemon.client() as client:
            number = 0
            while not stop.is_set():
                text = f"entry number {number}"
                assert len(client.add("acme", [NewEntry(text=text)]).added) == 1
                added.append(text)
                number += 1

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(write)
        for _ in range(5):
            pid = daemon.wait_state("acme", "ready").pid
            assert pid is not None
            before = len(added)
            wait_for(lambda before=before: len(added) > before + 5 or future.done(), what="writes before the kill")
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda pid=pid: daemon.tenant("acme").pid not in (None, pid), what="a new encoder")
        stop.set()
        future.result()
    with daemon.client() as client:
        page = client.entries("acme", limit=1000)
        found = [entry.text for entry in page.entries]
        while page.next is not None:
            page = client.entries("acme", after=page.next, limit=1000)
            found += [entry.text for entry in page.entries]
    assert found == added


def test_a_crash_at_start_backs_off_and_says_why(start_daemon: StartDaemon):
    tenant = fake_tenant(encoder={"fake": {"mode": "crash-at-start"}}, search={"wait_s": 0.5})
    daemon = start_daemon({"bad": tenant, "good": fake_tenant()}).ready("good")
    view = wait_for(lambda: (v := daemon.tenant("bad")).restarts >= 2 and v, what="two restarts")
    assert "exited with code" in (daemon.wait_state("bad", "backoff").reason or "")
    assert view.goal == "up"
    with daemon.client() as client, pytest.raises(TenantStarting) as caught:
        client.search("bad", "anything")
    assert caught.value.retry_after is not None
    told = crashes(daemon)[0].data
    assert "told to crash" in str(told["last_lines"])
    assert (told["exit_code"], told["signal"]) == (1, None)
    assert view.crash is not None
    assert (view.crash.exit_code, view.crash.reason) == (1, "the encoder exited with code 1")
    assert "told to crash" in str(view.crash.last_lines)


def test_a_poisonous_request_ends(start_daemon: StartDaemon):
    daemon = start_daemon({"acme": fake_tenant(encoder={"fake": {"mode": "crash-on-request"}})}).ready("acme")
    with daemon.client() as client, pytest.raises(EncoderLost, match="3 times"):
        client.search("acme", "poison")
    daemon.wait_state("acme", "ready")


def test_never_ready_is_ended_by_start_s(start_daemon: StartDaemon):
    tenant = fake_tenant(encoder={"fake": {"mode": "never-ready"}}, limits={"start_s": 1.0})
    daemon = start_daemon({"acme": tenant})
    view = daemon.wait_state("acme", "backoff")
    assert "limits.start_s" in (view.reason or "")


def test_stop_start_restart_and_goals_survive_a_daemon(daemon: RunningDaemon):
    fill(daemon)
    with daemon.client() as client:
        before = daemon.tenant("acme").pid
        assert client.wait("acme", client.restart("acme").id).state is OperationState.DONE
        assert daemon.tenant("acme").pid != before
        assert client.wait("acme", client.stop("acme").id).state is OperationState.DONE
        with pytest.raises(TenantStopped, match="vecward start acme"):
            client.search("acme", "apples")
    assert daemon.stop() == 0
    daemon.start()
    assert daemon.wait_state("acme", "stopped").goal == "down"
    with daemon.client() as client:
        operation = client.wait("acme", client.start("acme").id)
        assert (operation.state, operation.kind) == (OperationState.DONE, "start")
        assert client.search("acme", "apples").results[0].text == TEXTS[0]


def test_a_failed_tenant_leaves_the_others(start_daemon: StartDaemon):
    daemon = start_daemon({"bad": "encoder: {backend: fake}\nlimits:\n  cpu: 2\n", "good": fake_tenant()})
    daemon.ready("good")
    view = daemon.wait_state("bad", "failed")
    assert "bad.yaml, line 3: limits.cpu" in (view.reason or "")
    with daemon.client() as client, pytest.raises(TenantFailed):
        client.search("bad", "x")


def test_a_second_daemon_names_the_first(daemon: RunningDaemon):
    assert daemon.process is not None
    second = subprocess.run(
        [sys.executable, "-m", "daemon", "--root", str(daemon.root)],
        cwd=CHECKOUT,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert second.returncode == 1
    assert f"pid {daemon.process.pid}".encode() in second.stderr
    assert daemon.tenant("acme").state == "ready"


def test_nothing_is_left_behind(daemon: RunningDaemon):
    children = daemon.children()
    assert children
    assert daemon.stop() == 0
    assert [child for child in children if child.is_running()] == []
    assert '"daemon-stopping"' in daemon.paths.daemon_log.read_text()
    left = [path for path in daemon.paths.run.rglob("*") if not path.is_dir()]
    assert left == []
    daemon.start()
    assert crashes(daemon) == [], "what ends because it is asked to is no crash"


def test_children_never_outlive_a_killed_daemon(daemon: RunningDaemon):
    children = daemon.children()
    daemon.kill()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []
    daemon.start().ready("acme")


def test_parked_tenants_wake_for_a_request(daemon: RunningDaemon):
    fill(daemon)
    with daemon.client() as client:
        assert client.wait("acme", client.park("acme").id).state is OperationState.DONE
        assert daemon.tenant("acme").state == "parked"
        assert client.search("acme", "apples").results[0].text == TEXTS[0]
    assert daemon.tenant("acme").state == "ready"


def test_reload_applies_each_tenant_alone(start_daemon: StartDaemon):
    daemon = start_daemon({"a": fake_tenant(), "b": fake_tenant(), "c": fake_tenant()}).ready("a", "b", "c")
    pids = {name: daemon.tenant(name).pid for name in "abc"}
    daemon.write_tenant("a", fake_tenant(title={"en": "New title"}))
    daemon.write_tenant("b", fake_tenant(knowledge={"min_chars": 7}))
    (daemon.paths.tenants_d / "c.yaml").unlink()
    daemon.write_tenant("d", fake_tenant())
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: daemon.tenant("a").title.en == "New title", what="the new title")
    wait_for(lambda: daemon.tenant("b").pid not in (None, pids["b"]), what="the restart of b")
    daemon.wait_state("d", "ready")
    assert daemon.tenant("a").pid == pids["a"]
    with daemon.client() as client:
        assert [view.name for view in client.tenants().tenants] == ["a", "b", "d"]
    assert crashes(daemon) == []


def test_a_file_that_becomes_bad_keeps_the_tenant_running(daemon: RunningDaemon):
    pid = daemon.tenant("acme").pid
    daemon.write_tenant("acme", "encoder: {backend: fake}\nsearch: {k: 0}\n")
    warned = wait_for(lambda: daemon.tenant("acme").warnings, what="the warning")
    assert "search.k" in warned["config"]
    assert (daemon.tenant("acme").pid, daemon.tenant("acme").state) == (pid, "ready")
    daemon.write_tenant("acme", fake_tenant())
    wait_for(lambda: not daemon.tenant("acme").warnings, what="the warning's end")


def test_a_broken_daemon_yaml_is_refused(start_daemon: StartDaemon):
    daemon = start_daemon(start=False)
    daemon.paths.daemon_yaml.write_text("isolation: none\n")
    found = subprocess.run(
        [sys.executable, "-m", "daemon", "--root", str(daemon.root)],
        cwd=CHECKOUT,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert found.returncode == 1
    assert b"daemon.yaml, line 1: isolation" in found.stderr


def test_a_root_with_a_long_path_is_refused(tmp_path: Path):
    found = subprocess.run(
        [sys.executable, "-m", "daemon", "--root", str(tmp_path / ("x" * 100))],
        cwd=CHECKOUT,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert found.returncode == 1
    assert b"choose a shorter --root" in found.stderr


def test_a_parked_tenant_comes_back_parked_and_one_with_a_limit_waits_to_be_asked(start_daemon: StartDaemon):
    lazy = fake_tenant(limits={"park_after_s": 3600})
    daemon = start_daemon({"parked": fake_tenant(), "up": lazy, "never-asked": lazy}).ready("parked")
    assert "not asked for yet" in (daemon.wait_state("never-asked", "parked").reason or "")
    with daemon.client() as client:
        client.search("up", "wake")
        client.wait("parked", client.park("parked").id)
    daemon.kill()
    daemon.start()
    assert "parked when" in (daemon.wait_state("parked", "parked").reason or "")
    daemon.ready("up")
    assert daemon.tenant("never-asked").state == "parked"
    with daemon.client() as client:
        client.search("parked", "wake")
    assert daemon.tenant("parked").state == "ready"


def test_many_tenants_start_in_turns(start_daemon: StartDaemon):
    names = [f"t{number:02}" for number in range(2 * at_once())]
    daemon = start_daemon({name: fake_tenant() for name in names}).ready(*names)
    with daemon.client() as client:
        events = client.events(after=0, limit=1000).events
    up: set[str | None] = set()  # those whose encoder said hello and is not ready yet
    most = 0
    for event in events:
        if event.name == "tenant-state":
            up = up | {event.tenant} if event.data["state"] == "warming" else up - {event.tenant}
            most = max(most, len(up))
    assert 0 < most <= at_once() + 1  # the next one may be told before the one that made room for it
