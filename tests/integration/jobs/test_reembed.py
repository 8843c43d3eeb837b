"""A changed model against real daemons: planned, refused with figures, made beside the old one, cancelled, offline."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from daemon.core.errors import Conflict, ReEmbedding, VecwardError
from daemon.core.wire import NewEntry, Operation
from tests.support.daemons import CHECKOUT, RunningDaemon, fake_tenant, running_daemon, wait_for

COUNT = 1500  # more than two parts of 512


def tenant(dimension: int = 64, delay_ms: float = 0, **more: Any) -> dict[str, Any]:
    encoder = {"backend": "fake", "fake": {"dimension": dimension, "delay_ms": delay_ms}}
    return fake_tenant(encoder=encoder, search={"wait_s": 0.1, "deadline_s": 10}, **more)


def raw(config: dict[str, Any]) -> bytes:
    return json.dumps(config).encode()


@pytest.fixture
def host() -> Iterator[RunningDaemon]:
    with running_daemon({"acme": tenant()}) as daemon:
        daemon.ready("acme")
        with daemon.client() as client:
            client.set_texts("acme", [f"entry number {number}" for number in range(COUNT)])
        yield daemon


def operation_of(host: RunningDaemon) -> str:
    return "d-" + host.warnings("acme").partition("operation d-")[2]


def dimension(host: RunningDaemon) -> int | None:
    return host.tenant("acme").dimension


def ended(host: RunningDaemon, operation: str) -> Operation:
    with host.client() as client:
        return wait_for(
            lambda: found if (found := client.wait("acme", operation, 5)).state != "running" else None, 60, "its end"
        )


def test_old_vectors_answer_until_the_switch(host: RunningDaemon) -> None:
    with host.client() as client:
        old = host.tenant("acme").pid
        client.put_tenant("acme", raw(tenant(32, delay_ms=300)))
        operation = operation_of(host)
        wait_for(lambda: client.operation("acme", operation).progress, 30, "its progress")
        client.add("acme", [NewEntry(text="an entry that came meanwhile")])
        assert client.search("acme", "entry number 7", k=1).results[0].text == "entry number 7"
        assert (host.tenant("acme").pid, dimension(host)) == (old, 64)
        done = ended(host, operation)
        assert done.state == "done", done.error
        assert (done.result or {})["encoded"] >= COUNT
        wait_for(lambda: dimension(host) == 32, 30, "the switch")
        host.ready("acme")
        assert client.search("acme", "entry number 7", k=1).results[0].text == "entry number 7"
        assert not host.tenant("acme").warnings
    encoded = [
        json.loads(line)["entries"] for line in host.encoder_log("acme").splitlines() if "entries-encoded" in line
    ]
    assert encoded[0] == COUNT
    assert sum(encoded) <= COUNT + 1


def test_a_file_on_disk_is_applied_the_same_way(host: RunningDaemon) -> None:
    host.write_tenant("acme", tenant(32))
    wait_for(lambda: dimension(host) == 32, 60, "the switch")
    assert host.tenant("acme").entries == COUNT


def test_what_does_not_fit_is_refused_with_the_figures(host: RunningDaemon) -> None:
    small = raw(tenant(32, limits={"memory_mb": 100}))
    before = (host.paths.tenants_d / "acme.yaml").read_bytes()
    with host.client() as client:
        plan = client.plan_tenant("acme", small)
        assert (plan.reembed, plan.online) == (True, False)
        with pytest.raises(Conflict, match=r"do not fit limits.memory_mb together: \d+ and \d+ MiB of 100"):
            client.put_tenant("acme", small)
        assert (host.paths.tenants_d / "acme.yaml").read_bytes() == before
        client.put_tenant("acme", small, offline=True)
        wait_for(lambda: dimension(host) == 32, 60, "the new model")


def test_offline_says_so_and_goes_on_where_it_was_interrupted(host: RunningDaemon) -> None:
    def kind() -> str:
        try:
            with host.client() as client:
                client.search("acme", "entry")
        except VecwardError as error:
            return error.kind
        return "answered"

    with host.client() as client:
        client.put_tenant("acme", raw(tenant(32, delay_ms=500)), offline=True)
        wait_for(lambda: kind() == ReEmbedding.kind, 30, "503 re-embedding")
        wait_for(lambda: (p := host.tenant("acme").progress) and p.unit == "re-embedding" and p.done, 30, "a part")
    host.kill()
    host.start()
    host.ready("acme")
    encoded = [json.loads(line) for line in host.encoder_log("acme").splitlines() if '"entries-encoded"' in line]
    assert encoded[-1]["entries"] < COUNT
    assert dimension(host) == 32


def test_a_cancelled_one_changes_nothing(host: RunningDaemon) -> None:
    with host.client() as client:
        client.put_tenant("acme", raw(tenant(32, delay_ms=500)))
        operation = operation_of(host)
        wait_for(lambda: client.operation("acme", operation).progress, 30, "its progress")
        assert client.cancel("acme", operation).state == "cancelled"
        assert "was cancelled" in host.warnings("acme")
        assert (host.tenant("acme").state, dimension(host)) == ("ready", 64)
        client.put_tenant("acme", raw(tenant(64)))
        assert not host.tenant("acme").warnings


def test_a_new_model_that_does_not_load_leaves_the_old_one(host: RunningDaemon) -> None:
    broken = fake_tenant(encoder={"backend": "sentence-transformers", "model": "/no/such/folder"})
    with host.client() as client:
        with pytest.raises(VecwardError, match="cannot"):
            client.put_tenant("acme", raw(broken))
        host.write_tenant("acme", broken)
        wait_for(lambda: "old configuration" in host.warnings("acme"), 30)
        assert client.search("acme", "entry number 7", k=1).results
        assert host.tenant("acme").state == "ready"


def test_plans(host: RunningDaemon) -> None:
    with host.client() as client:
        nothing = client.plan_tenant("acme", raw(tenant()))
        assert (nothing.action, nothing.restart, nothing.reembed) == ("nothing", False, False)
        title = client.plan_tenant("acme", raw(tenant(title={"en": "Acme"})))
        assert [(c.field, c.effect) for c in title.changes] == [("title.en", "daemon")]
        assert not title.restart
        plan = client.plan_tenant("acme", raw(tenant(32)))
        assert (plan.restart, plan.reembed, plan.online) == (True, True, True)
        assert plan.loaded is not None
        assert (plan.loaded.missing, plan.loaded.entries, plan.loaded.dimension) == (COUNT, COUNT, 32)
        assert plan.estimated_s is not None
        assert client.plan_tenant("other", raw(tenant())).action == "create"
        assert dimension(host) == 64
    (host.root / "acme.yaml").write_bytes(raw(tenant(32)))
    command = [
        sys.executable,
        "-m",
        "daemon.cli",
        "--root",
        str(host.root),
        "tenant",
        "plan",
        str(host.root / "acme.yaml"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=CHECKOUT)
    assert done.returncode == 0, done.stderr
    assert "1,500 of 1,500 entries are encoded" in done.stdout
    assert "searches go on" in done.stdout


def test_a_stopped_tenant_starts_with_its_new_model(host: RunningDaemon) -> None:
    with host.client() as client:
        client.put_tenant("acme", raw(tenant(32, delay_ms=500)))
        operation = operation_of(host)
        wait_for(lambda: client.operation("acme", operation).progress, 30, "its progress")
        client.wait("acme", client.stop("acme").id)
        assert ended(host, operation).state == "cancelled"
        assert not host.tenant("acme").warnings
        client.start("acme")
        host.ready("acme")
    assert dimension(host) == 32


def age_unused_vectors(host: RunningDaemon) -> None:
    """Makes vectors look as if nothing had used them for years."""
    with closing(sqlite3.connect(host.paths.tenant("acme").data / "knowledge.db", timeout=20)) as db, db:
        assert db.execute("UPDATE meta SET value = 0 WHERE key LIKE 'unused:%'").rowcount == 1


def fingerprints(host: RunningDaemon) -> list[str]:
    with closing(sqlite3.connect(host.paths.tenant("acme").data / "knowledge.db", timeout=20)) as db:
        return [row[0] for row in db.execute("SELECT fingerprint FROM fingerprints ORDER BY id")]


def words_of(host: RunningDaemon, event: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in host.encoder_log("acme").splitlines() if f'"{event}"' in line]


def change_to(host: RunningDaemon, wanted: int) -> None:
    host.write_tenant("acme", tenant(wanted))
    wait_for(lambda: dimension(host) == wanted, 60, "the switch")
    host.ready("acme")


def test_old_vectors_stay_for_a_change_back_and_go_when_their_time_is_over(host: RunningDaemon) -> None:
    change_to(host, 32)
    wait_for(lambda: len(fingerprints(host)) == 2)
    change_to(host, 64)
    assert len(words_of(host, "entries-encoded")) == 1, "the change back encodes nothing"
    age_unused_vectors(host)
    with host.client() as client:
        client.wait("acme", client.restart("acme").id, 30)
        wait_for(lambda: words_of(host, "old-vectors-removed"), 30, "the removal")
        assert words_of(host, "old-vectors-removed")[0]["vectors"] == COUNT
        assert len(fingerprints(host)) == 1
        assert client.search("acme", "entry number 7", k=1).results[0].text == "entry number 7"


def test_vectors_that_find_no_room_beside_the_old_ones_are_refused_beforehand(host: RunningDaemon) -> None:
    large = raw(tenant(4096, limits={"disk_mb": 20}))
    with host.client() as client:
        plan = client.plan_tenant("acme", large)
        assert plan.online is False
        assert plan.loaded is not None
        assert plan.disk_mb is not None
        assert plan.disk_mb > COUNT * 4096 * 4 / 2**20
        assert plan.loaded.room_mb is not None
        assert plan.loaded.room_mb < 20
        assert any("stay for 24 hours" in note for note in plan.notes)
        with pytest.raises(
            Conflict, match=r"need \d+\.\d MiB beside the old ones, \d+\.\d are free within limits.disk_mb 20"
        ):
            client.put_tenant("acme", large)
        assert (host.tenant("acme").state, dimension(host)) == ("ready", 64)
