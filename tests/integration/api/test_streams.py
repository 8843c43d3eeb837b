"""Followed events and logs against a real daemon: nothing lost, nothing twice, and a proper end."""

from __future__ import annotations

import json
import threading
from typing import Any

from tests.conftest import StartDaemon
from tests.support.daemons import RunningDaemon, fake_tenant, wait_for
from tests.support.http.raw_http import UnixConnection


class Follower:
    """Reads a stream in a thread, until it ends."""

    def __init__(self, daemon: RunningDaemon, target: str) -> None:
        self.lines: list[bytes] = []
        self.connection = UnixConnection(daemon.paths.daemon_socket)
        self.connection.request("GET", target)
        self.response = self.connection.getresponse()
        self.thread = threading.Thread(target=self._read)
        self.thread.start()

    def _read(self) -> None:
        for line in self.response:
            self.lines.append(line.rstrip(b"\n"))

    def join(self) -> None:
        self.thread.join(timeout=20)
        assert not self.thread.is_alive(), "the stream did not end"
        self.connection.close()

    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines if line]

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line[6:]) for line in self.lines if line.startswith(b"data: ")]


def states(follower: Follower) -> list[str]:
    return [event["data"]["state"] for event in follower.events() if event["name"] == "tenant-state"]


def test_followers_see_all_and_end_with_the_daemon(daemon: RunningDaemon) -> None:
    events = Follower(daemon, "/v1/events?follow=true&after=0")
    logs = Follower(daemon, "/v1/tenants/acme/logs?follow=true&tail=10000")
    with daemon.client() as client:
        restarting = client.restart("acme")
        client.wait("acme", restarting.id)
    wait_for(lambda: states(events).count("ready") == 2, what="the second start in the events")
    wait_for(lambda: sum(line["event"] == "ready" for line in logs.objects()) == 2, what="the second start in the log")
    assert daemon.stop() == 0
    assert "graceful shutdown exceeded" not in daemon.output(), "followers held up the end"
    events.join()
    logs.join()
    numbers = [event["id"] for event in events.events()]
    assert numbers == list(range(1, len(numbers) + 1))
    written = [json.loads(line) for line in daemon.encoder_log("acme").splitlines()]
    assert logs.objects() == written[: len(logs.objects())]


def test_events_go_on_after_the_last_one_seen(daemon: RunningDaemon) -> None:
    first = Follower(daemon, "/v1/events?follow=true&after=2")
    wait_for(lambda: len(first.events()) >= 2)
    assert daemon.stop() == 0
    first.join()
    assert first.events()[0]["id"] == 3


def test_a_long_poll_ends_with_the_daemon(start_daemon: StartDaemon) -> None:
    daemon = start_daemon({"acme": fake_tenant(encoder={"fake": {"mode": "never-ready"}})})
    with daemon.client() as client:
        start = client.start("acme")
        poll = UnixConnection(daemon.paths.daemon_socket)
        poll.request("GET", f"/v1/tenants/acme/operations/{start.id}/wait?timeout=600")
        client.tenant("acme")  # sent later, answered: the poll has been taken by then
    assert daemon.stop() == 0
    operation = json.loads(poll.getresponse().read())["operation"]
    poll.close()
    assert (operation["id"], operation["ended_at"]) == (start.id, None)
