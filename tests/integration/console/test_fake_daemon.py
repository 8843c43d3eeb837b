"""The in-memory daemon of the console's unit tests against a real one: the same conversation, the same facts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from console.web.cookies import User
from daemon.client import AsyncClient
from daemon.core.config import passwords, users
from daemon.core.wire import Title
from tests.support.console.conversation import Connect, differences, talk
from tests.support.console.fake_client import FakeClient
from tests.support.console.fakes import PASSWORD, FakeDaemon
from tests.support.daemons import RunningDaemon, fake_tenant, running_daemon

NAMES = ("demo", "editor", "admin")


@pytest.fixture
def real() -> Iterator[RunningDaemon]:
    access = {"searchers": ["user:demo"], "editors": ["user:editor"]}
    tenants = {"acme": fake_tenant(access=access), "globex": fake_tenant()}
    with running_daemon(tenants, start=False, admins=["user:admin"]) as daemon:
        users.save(daemon.paths.users_yaml, {name: passwords.hash_password(PASSWORD) for name in NAMES})
        yield daemon.start().ready("acme", "globex")


async def _to_real(daemon: RunningDaemon) -> Connect:
    """Sign everybody in; the user named nobody has a session that no daemon gave out."""
    sessions = {"nobody": "s-nobody"}
    async with AsyncClient(daemon.paths.console_socket, address="192.0.2.7") as client:
        for name in NAMES:
            sessions[name] = (await client.sign_in(name, PASSWORD)).session

    @asynccontextmanager
    async def connect(name: str) -> AsyncIterator[AsyncClient]:
        async with AsyncClient(daemon.paths.console_socket, user=name, session=sessions[name]) as client:
            yield client

    return connect


def _to_fake() -> Connect:
    daemon = FakeDaemon()
    for tenant in ("acme", "globex"):
        daemon.add(tenant, Title(), [])
    for name in ("demo", "editor"):
        del daemon.roles[name]["globex"]

    @asynccontextmanager
    async def connect(name: str) -> AsyncIterator[AsyncClient]:
        yield cast(AsyncClient, FakeClient(daemon, User(name, f"s-{name}")))

    return connect


async def test_both_answer_the_same(real: RunningDaemon) -> None:
    real_facts, fake_facts = await talk(await _to_real(real)), await talk(_to_fake())
    assert not (found := differences(real_facts, fake_facts)), "\n".join(found)
    kinds = {one for one in real_facts.values() if isinstance(one, str)}
    assert {"unauthenticated", "forbidden", "unknown-tenant", "unknown-entry", "revision-changed"} <= kinds
