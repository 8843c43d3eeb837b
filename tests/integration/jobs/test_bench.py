"""`vecward bench` against real daemons: figures from a process of its own, nothing of the tenant's changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.core.encoder_protocol.bench import Bench
from daemon.core.errors import Conflict, Invalid
from daemon.core.wire import Operation
from tests.support.daemons import CHECKOUT, RunningDaemon, fake_tenant, running_daemon, wait_for

TEXTS = [f"entry {number} of the tenant's own" for number in range(7)]


@pytest.fixture(scope="module")
def host() -> Iterator[RunningDaemon]:
    with running_daemon({"acme": fake_tenant(), "globex": fake_tenant()}) as daemon:
        daemon.ready("acme", "globex")
        with daemon.client() as client:
            client.set_texts("acme", TEXTS)
        yield daemon


def ended(host: RunningDaemon, operation: Operation) -> Operation:
    with host.client() as client:
        return wait_for(
            lambda: found if (found := client.wait("acme", operation.id, 5)).state != "running" else None, 60, "its end"
        )


def left_over(host: RunningDaemon) -> list[str]:
    return [path.name for path in host.paths.tenant("acme").data.rglob("bench*")]


def test_figures_of_each_size_and_an_untouched_base(host: RunningDaemon) -> None:
    with host.client() as client:
        before = client.entries("acme")
        pid = host.tenant("acme").pid
        done = ended(host, client.bench("acme", [20, 5], 0.2, 3))
        assert client.entries("acme") == before
    assert done.state == "done", done.error
    found = Bench.model_validate(done.result)
    assert [row.entries for row in found.rows] == [5, 20]
    assert found.about.own_texts == len(TEXTS)
    assert found.about.fingerprint == host.tenant("acme").fingerprint
    for row in found.rows:
        assert min(row.start_s, row.embed_s, row.first_query_ms, row.queries_per_s, row.memory_mb or 0) > 0
        assert row.p50_ms <= row.p99_ms
    assert any("ready meanwhile" in note for note in found.notes)
    assert host.tenant("acme").pid == pid
    assert left_over(host) == []


def test_one_at_a_time_and_a_cancelled_one_leaves_nothing(host: RunningDaemon) -> None:
    with host.client() as client:
        running = client.bench("acme", [5], 60)
        with pytest.raises(Conflict, match="acme is being benched"):
            client.bench("globex", [5], 0.1)
        wait_for(lambda: left_over(host), 30, "the copy")
        assert client.cancel("acme", running.id).state == "cancelled"
        assert left_over(host) == []
        again = ended(host, client.bench("acme", [5], 0.1, 1))
    assert again.state == "done", again.error


def test_what_cannot_be_asked_for(host: RunningDaemon) -> None:
    with host.client() as client:
        for wrong in ({"entries": [0]}, {"entries": []}, {"seconds": 1e6}, {"clients": 0}):
            with pytest.raises(Invalid):
                client.bench("acme", **wrong)  # type: ignore[arg-type]


def test_a_model_that_does_not_start_is_told(host: RunningDaemon) -> None:
    host.write_tenant("broken", fake_tenant(encoder={"backend": "fake", "fake": {"mode": "crash-at-start"}}))
    with host.client() as client:
        wait_for(lambda: "broken" in {tenant.name for tenant in client.tenants().tenants}, what="the new tenant")
        operation = client.bench("broken", [5], 0.1)
        done = wait_for(
            lambda: found if (found := client.wait("broken", operation.id, 5)).state != "running" else None, 60
        )
    assert done.state == "failed"
    assert done.error is not None
    assert "the encoder ended while it started" in done.error["detail"]


def test_a_killed_daemon_takes_the_bench_along(host: RunningDaemon, tmp_path: Path) -> None:
    with running_daemon({"acme": fake_tenant()}) as daemon:
        daemon.ready("acme")
        with daemon.client() as client:
            client.bench("acme", [5], 60)
        wait_for(
            lambda: any("daemon.encoder.jobs.bench" in " ".join(child.cmdline()) for child in daemon.children()), 30
        )
        children = daemon.children()
        daemon.kill()
        wait_for(lambda: not any(child.is_running() and child.status() != "zombie" for child in children), 20)


@pytest.mark.parametrize("as_json", [False, True])
def test_the_command_prints_a_table_or_json(host: RunningDaemon, as_json: bool) -> None:
    command = [sys.executable, "-m", "daemon.cli", "--root", str(host.root), "bench", "acme", "--entries", "5,10"]
    command += ["--seconds", "0.2", "--clients", "2", *(["--json"] if as_json else [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, cwd=CHECKOUT, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    if as_json:
        assert [row["entries"] for row in json.loads(done.stdout)["rows"]] == [5, 10]
    else:
        assert "queries/s, 2 clients" in done.stdout


def test_a_full_disk_is_told_in_words(host: RunningDaemon) -> None:
    host.write_tenant("narrow", fake_tenant(limits={"disk_mb": 1}))
    with host.client() as client:
        wait_for(lambda: "narrow" in {tenant.name for tenant in client.tenants().tenants}, what="the new tenant")
        operation = client.bench("narrow", [20_000], 0.1)
        done = wait_for(
            lambda: found if (found := client.wait("narrow", operation.id, 5)).state != "running" else None, 60
        )
        assert left_over(host) == []
    assert done.error is not None
    assert "answered 507: cannot write: " in done.error["detail"]
    assert "{" not in done.error["detail"]
