"""The usage of tenants across stops, kills and daemons."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from daemon.core.http.pool import Pool
from daemon.core.wire import NewEntry, UsageDay
from daemon.supervisor.records.state_db import StateDb
from daemon.supervisor.tenants import metering
from daemon.supervisor.tenants.metering import Metering
from daemon.supervisor.tenants.traffic import Traffic
from tests.conftest import StartDaemon
from tests.support.daemons import RunningDaemon, fake_tenant, wait_for

TENANT: dict[str, Any] = fake_tenant(encoder={"query_cache": 0})


def work(daemon: RunningDaemon, queries: int) -> None:
    with daemon.client() as client:
        client.add("acme", [NewEntry(text="a text to be counted")])
        for number in range(queries):
            client.search("acme", f"query {number}")
        client.delete("acme", [client.entries("acme").entries[0].id])


def used(daemon: RunningDaemon) -> UsageDay | None:
    with daemon.client() as client:
        days = client.usage("acme").usage
        also = client.usage().usage
    assert [(day.day, day.queries, day.texts) for day in days] == [(day.day, day.queries, day.texts) for day in also]
    return days[0] if days else None


async def metrics(daemon: RunningDaemon) -> str:
    pool = Pool(daemon.paths.daemon_socket)
    response = await pool.send("GET", "/metrics", [], b"")
    text = (await response.read()).decode()
    await pool.close()
    return text


async def test_usage_outlives_stops_and_daemons(start_daemon: StartDaemon):
    daemon = start_daemon({"acme": TENANT}).ready("acme")
    work(daemon, 5)
    with daemon.client() as client:
        client.wait("acme", client.stop("acme").id)
    day = used(daemon)
    assert day is not None
    assert (day.queries, day.texts) == (5, 1)
    assert day.tokens > 0
    assert day.encoder_s > 0
    assert day.storage_bytes > 4096
    text = await metrics(daemon)
    assert 'vecward_tenant_queries_total{tenant="acme"} 5.0' in text
    for name in ("queue", "encode", "search"):
        assert f'vecward_tenant_{name}_seconds_count{{tenant="acme"}} 5.0' in text
        assert re.search(rf'vecward_tenant_{name}_seconds_sum{{tenant="acme"}} [0-9.e-]*[1-9]', text)
    with daemon.client() as client:
        client.wait("acme", client.start("acme").id)
    work(daemon, 3)
    assert daemon.stop() == 0
    daemon.start().ready("acme")
    day = used(daemon)
    assert day is not None
    assert day.queries == 8


def test_usage_is_told_up_to_this_moment(daemon: RunningDaemon):
    work(daemon, 3)
    with ThreadPoolExecutor(8) as pool:  # asked at the same time, and counted once
        assert {day.queries for day in pool.map(lambda _: used(daemon), range(24)) if day} == {3}
    work(daemon, 2)
    day = used(daemon)
    assert day is not None
    assert day.queries == 5


def test_a_kill_loses_what_came_since_the_last_question_and_nothing_else(daemon: RunningDaemon):
    work(daemon, 4)
    with daemon.client() as client:
        client.wait("acme", client.restart("acme").id)  # asked here
    work(daemon, 2)
    pid = daemon.tenant("acme").pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: daemon.tenant("acme").pid not in (None, pid), what="a new encoder")
    daemon.kill()
    daemon.start().ready("acme")
    day = used(daemon)
    assert day is not None
    assert day.queries == 4


@pytest.mark.parametrize(
    "said",
    [
        {"queries": "many", "queue_times": [1, 2], "storage_bytes": -1},
        {"queries": 1e300, "encode_times": ["x"] * 16, "search_times": {"a": 1}},
        {"queries": None, "queue_times": [[1]] * 16, "tokens": True},
    ],
)
def test_what_an_encoder_says_of_itself_breaks_no_sum(tmp_path: Any, said: dict[str, Any]):
    found = Metering(StateDb(tmp_path / "state.db"), list)
    process: Any = object()
    found._add("acme", process, {"queries": 3, "queue_times": [1.0] * 16})
    found._add("acme", process, said)
    assert found.totals["acme"].counters["queries"] == 3
    assert found.totals["acme"].times["queue"] == [1.0] * 16
    [day] = found.page(["acme"]).usage
    assert day.queries == 3


async def test_many_who_ask_do_not_queue_up_behind_a_silent_encoder(tmp_path: Any):
    class Silent:
        asked = 0

        async def send(self, *_: object) -> Any:
            self.asked += 1
            await asyncio.sleep(0)  # the others come meanwhile
            raise OSError("no answer")

    traffic: Any = Traffic(tmp_path / "encoder.sock")
    traffic.pool = Silent()
    traffic.pool.busy = 0
    tenant: Any = SimpleNamespace(name="acme", process=object(), traffic=traffic)
    found = Metering(StateDb(tmp_path / "state.db"), lambda: [tenant])
    await asyncio.gather(*(found.collect(["acme"]) for _ in range(50)))
    assert traffic.pool.asked == 2  # the second one for all who came during the first
    traffic.pool.busy = 1
    assert traffic.has_callers, "none of the daemon's own requests is counted any more"


def test_usage_is_asked_for_more_often_than_once_a_minute():
    assert metering.EVERY_S <= 30


@pytest.mark.parametrize(("size", "hits"), [(10, 3), (0, 0)])
async def test_queries_that_the_cache_answered_are_counted(start_daemon: StartDaemon, size: int, hits: int) -> None:
    daemon = start_daemon({"acme": fake_tenant(encoder={"query_cache": size})}).ready("acme")
    with daemon.client() as client:
        client.add("acme", [NewEntry(text="an entry to be found")])
        for _ in range(4):
            client.search("acme", "the same query")
        assert client.usage("acme")  # asks the encoder now
    text = await metrics(daemon)
    assert f'vecward_tenant_query_cache_hits_total{{tenant="acme"}} {hits}.0' in text
    assert 'vecward_tenant_queries_total{tenant="acme"} 4.0' in text
