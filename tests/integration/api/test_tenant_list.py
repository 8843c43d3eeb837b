"""GET /v1/tenants: pages, filters and order, of what the caller may see."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from daemon.client import Client
from daemon.core.config import passwords, users
from daemon.core.errors import Invalid
from daemon.core.roles import Role
from daemon.core.wire import NewEntry
from tests.support.daemons import RunningDaemon, fake_tenant, running_daemon
from tests.support.http.raw_http import ask

PARKED = [f"dept-{number}" for number in range(7)]


@pytest.fixture(scope="module")
def daemon() -> Iterator[RunningDaemon]:
    """Seven parked tenants, two that run, and one whose file is wrong; ann may something on four of them."""
    parked = {
        name: fake_tenant(
            title={"en": f"Department {name[-1]}", "zh": f"部门{name[-1]}"}, limits={"park_after_s": 3600}
        )
        for name in PARKED
    }
    parked["dept-0"]["access"]["searchers"] = parked["dept-1"]["access"]["editors"] = ["user:ann"]
    small = fake_tenant(access={"searchers": ["user:ann"]})
    large = fake_tenant(access={"admins": ["user:ann", f"uid:{os.getuid()}"]})
    tenants = {**parked, "small": small, "large": large, "wrong": "encoder: {backend: none}\n"}
    with running_daemon(tenants, start=False) as daemon:
        users.save(daemon.paths.users_yaml, {"ann": passwords.hash_password("correct horse")})
        with daemon.start().client() as client:
            daemon.ready("small", "large")
            client.add("large", [NewEntry(text=f"entry number {number}") for number in range(5)])
        yield daemon


@pytest.fixture
def client(daemon: RunningDaemon) -> Iterator[Client]:
    with daemon.client() as client:
        yield client


def names(client: Client, **asked: Any) -> list[str]:
    return [tenant.name for tenant in client.tenants(**asked).tenants]


ALL = sorted([*PARKED, "small", "large", "wrong"])


def test_pages_follow_each_other_in_any_order(client: Client) -> None:
    assert names(client) == ALL
    for sort in ("name", "-name", "state", "-entries", "memory_mb", "-restarts", "-uptime_s"):
        whole = names(client, sort=sort)
        assert sorted(whole) == ALL
        found, after = [], None
        while True:
            page = client.tenants(after=after, limit=3, sort=sort)
            assert page.total == len(ALL)
            found += [tenant.name for tenant in page.tenants]
            if (after := page.next) is None:
                break
        assert found == whole, sort


def test_order(client: Client) -> None:
    assert names(client, sort="-name") == ALL[::-1]
    assert names(client, sort="-entries")[:2] == ["large", "small"]
    assert set(names(client, sort="-memory_mb", limit=2)) == {"large", "small"}
    states = [tenant.state for tenant in client.tenants(sort="state").tenants]
    assert states == sorted(states)


def test_filters(client: Client) -> None:
    assert names(client, state="parked") == PARKED
    assert names(client, state="failed") == ["wrong"]
    assert names(client, q="DEPARTMENT 3") == names(client, q="部门3") == names(client, q="pt-3") == ["dept-3"]
    assert names(client, q="dept", state="ready") == []
    page = client.tenants(q="dept", sort="-name", limit=2)
    assert ([tenant.name for tenant in page.tenants], page.next, page.total) == (["dept-6", "dept-5"], "dept-5", 7)


def test_what_cannot_be_asked(client: Client) -> None:
    for asked in ({"limit": 0}, {"limit": 1001}, {"sort": "colour"}, {"state": "odd"}, {"role": "king"}):
        with pytest.raises(Invalid):
            client.tenants(**asked)  # type: ignore[arg-type]
    with pytest.raises(Invalid, match="ask again without `after`"):
        client.tenants(after="nobody", sort="state")
    assert names(client, after="l") == [name for name in ALL if name > "l"]


def as_ann(daemon: RunningDaemon, query: str) -> list[str]:
    answer = ask(daemon.paths.console_socket, "GET", f"/v1/tenants?{query}", headers={"Vecward-User": "ann"})
    assert answer.status == 200
    return [tenant["name"] for tenant in answer.json()["tenants"]]


def test_what_a_caller_may_not_see_neither_counts_nor_sorts(daemon: RunningDaemon) -> None:
    assert as_ann(daemon, "") == ["dept-0", "dept-1", "large", "small"]
    assert as_ann(daemon, "role=editor") == ["dept-1", "large"]
    assert as_ann(daemon, f"role={Role.TENANT_ADMIN}") == ["large"]
    assert as_ann(daemon, "role=admin") == []
    assert as_ann(daemon, "sort=-memory_mb") == ["large", "dept-0", "dept-1", "small"]
