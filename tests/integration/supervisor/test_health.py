"""Health checks and parking, with real daemons and encoders that misbehave."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest

from daemon.core.wire import Event, NewEntry
from tests.conftest import StartDaemon
from tests.support.daemons import RunningDaemon, fake_tenant, wait_for

OFTEN = {"every_s": 0.2}


def misbehaving(mode: str, **changes: Any) -> dict[str, Any]:
    return fake_tenant(encoder={"backend": "fake", "fake": {"mode": mode}, "query_cache": 0}, **changes)


def events(daemon: RunningDaemon, *names: str) -> list[Event]:
    with daemon.client() as client:
        return [event for event in client.events(after=0, limit=1000).events if event.name in names]


def queries(daemon: RunningDaemon, count: int) -> None:
    with daemon.client() as client:
        for number in range(count):
            client.search("acme", f"query number {number}")


def warnings(daemon: RunningDaemon) -> str:
    return daemon.warnings("acme")


def limited(daemon: RunningDaemon, above_mb: int, on_memory_limit: str) -> int:
    """Gives acme a limit a little above what it takes, and answers the new encoder's pid."""
    taken = daemon.tenant("acme").memory_mb
    assert taken is not None
    limits = {"memory_mb": round(taken) + above_mb, "on_memory_limit": on_memory_limit}
    before = daemon.tenant("acme").pid
    with daemon.client() as client:
        client.put_tenant("acme", json.dumps(misbehaving("leak", limits=limits)).encode())
    wait_for(lambda: daemon.tenant("acme").state == "ready" and daemon.tenant("acme").pid != before, what="a restart")
    pid = daemon.tenant("acme").pid
    assert pid is not None
    return pid


def test_memory_over_its_limit_is_an_event_and_a_warning_until_it_is_below_again(start_daemon: StartDaemon):
    daemon = start_daemon({"acme": misbehaving("leak")}, health=OFTEN).ready("acme")
    pid = limited(daemon, 25, "warn")
    queries(daemon, 60)
    wait_for(lambda: "(limits.memory_mb)" in warnings(daemon), what="the warning")
    assert "over the limit of" in warnings(daemon)
    assert daemon.tenant("acme").pid == pid
    assert len(events(daemon, "limit-crossed")) == 1
    with daemon.client() as client:
        client.restart("acme")
    wait_for(lambda: events(daemon, "limit-cleared") and not warnings(daemon), what="the warning's end")


def test_a_tenant_that_asks_for_it_is_restarted_once(start_daemon: StartDaemon):
    daemon = start_daemon({"acme": misbehaving("leak")}, health=OFTEN).ready("acme")
    first = limited(daemon, 25, "restart")
    queries(daemon, 60)
    wait_for(lambda: daemon.tenant("acme").pid not in (None, first), what="the restart")
    daemon.ready("acme")
    second = daemon.tenant("acme").pid
    reasons = [str(event.data["reason"]) for event in events(daemon, "tenant-state")]
    assert any("over the limit" in reason for reason in reasons)
    queries(daemon, 60)
    wait_for(lambda: "did not help" in warnings(daemon), what="the warning instead of a loop")
    assert daemon.tenant("acme").pid == second


def test_a_model_that_drifts_is_found_by_its_canary(start_daemon: StartDaemon):
    daemon = start_daemon({"acme": misbehaving("drift")}, health=OFTEN).ready("acme")
    assert warnings(daemon) == ""
    queries(daemon, 1)
    wait_for(lambda: "another vector than at the start" in warnings(daemon), what="the warning")
    assert len(events(daemon, "canary-failed")) == 1
    with daemon.client() as client:
        client.restart("acme")
    wait_for(lambda: daemon.tenant("acme").state == "ready" and not warnings(daemon), what="the warning's end")


def test_an_encoder_that_does_not_answer_holds_up_no_other_check(start_daemon: StartDaemon):
    tenants = {"acme": fake_tenant(search={"deadline_s": 0.5}), "globex": misbehaving("drift")}
    daemon = start_daemon(tenants, health=OFTEN).ready("acme", "globex")
    pid = daemon.tenant("acme").pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_for(lambda: "no answer to the health check" in warnings(daemon), what="the warning")
        with daemon.client() as client:
            client.search("globex", "anything at all")
        wait_for(lambda: daemon.tenant("globex").warnings, what="the other tenant's warning")
        assert daemon.tenant("acme").state == "ready"  # nobody waits for it: no hang
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: not warnings(daemon), what="the warning's end")


def test_an_idle_tenant_is_parked_in_spite_of_canaries_and_woken_by_a_request(start_daemon: StartDaemon):
    daemon = start_daemon({"acme": fake_tenant(limits={"park_after_s": 1})}, health=OFTEN)
    with daemon.client() as client:
        client.search("acme", "awake")
    view = daemon.wait_state("acme", "parked")
    assert view.pid is None
    assert "idle for 1 s (limits.park_after_s)" in str(events(daemon, "tenant-state"))
    with daemon.client() as client:
        client.add("acme", [NewEntry(text="apples are a fruit")])
        assert client.search("acme", "apples").results[0].text == "apples are a fruit"
    daemon.wait_state("acme", "parked")


def test_an_import_is_not_parked(start_daemon: StartDaemon):
    encoder = {"backend": "fake", "fake": {"delay_ms": 300}}
    daemon = start_daemon({"acme": fake_tenant(encoder=encoder, limits={"park_after_s": 1})}, health=OFTEN)
    lines = "\n".join(f"entry number {number} of a long list" for number in range(256 * 2))
    with daemon.client() as client:
        client.import_entries("acme", lines.encode(), "text/plain")
    view = daemon.wait_state("acme", "parked")
    assert view.entries == 256 * 2


@pytest.mark.parametrize("verb", ["stop", "park"])
def test_a_resting_tenant_keeps_no_warning(start_daemon: StartDaemon, verb: str):
    daemon = start_daemon({"acme": misbehaving("drift")}, health=OFTEN).ready("acme")
    queries(daemon, 1)
    wait_for(lambda: warnings(daemon), what="the warning")
    with daemon.client() as client:
        getattr(client, verb)("acme")
    wait_for(
        lambda: daemon.tenant("acme").state in ("stopped", "parked") and not warnings(daemon), what="the end of it"
    )
