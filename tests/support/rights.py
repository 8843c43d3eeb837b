"""Two tenants, a user for each role, and calls as the console and as this process make them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from daemon.core.config import passwords, users
from daemon.core.roles import Role
from tests.support.daemons import RunningDaemon, fake_tenant, running_daemon
from tests.support.http.raw_http import RawAnswer, ask

PASSWORD = "correct horse"
NAMES = {
    Role.ANYONE: "stranger",
    Role.SEARCHER: "searcher",
    Role.EDITOR: "editor",
    Role.TENANT_ADMIN: "tenant-admin",
    Role.ADMIN: "chief",
}
ACCESS = {"searchers": ["user:searcher"], "editors": ["user:editor"], "admins": ["user:tenant-admin"]}
OTHER_ACCESS = {"searchers": ["user:rival"], "admins": ["user:rival-admin"]}


@contextmanager
def host_with_roles() -> Iterator[RunningDaemon]:
    acme = fake_tenant(access=ACCESS, search={"wait_s": 0, "wake_wait_s": 0})
    globex = fake_tenant(access=OTHER_ACCESS)
    with running_daemon({"acme": acme, "globex": globex}, start=False, admins=["user:chief"]) as daemon:
        stored = {name: passwords.hash_password(PASSWORD) for name in [*NAMES.values(), "rival", "rival-admin", "root"]}
        users.save(daemon.paths.users_yaml, stored)
        yield daemon.start().ready("acme", "globex")


def as_user(host: RunningDaemon, name: str, method: str, target: str, body: Any = None, **headers: str) -> RawAnswer:
    """Call as the console does, for one of its users."""
    raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    given = {"Vecward-User": quote(name), **headers}
    if raw is not None:
        given.setdefault("Content-Type", "application/json")
    return ask(host.paths.console_socket, method, target, raw, given)


def as_me(host: RunningDaemon, method: str, target: str) -> RawAnswer:
    return ask(host.paths.daemon_socket, method, target)


def sign_in(daemon: RunningDaemon, name: str, password: str, address: str = "192.0.2.7") -> RawAnswer:
    body = json.dumps({"name": name, "password": password})
    return ask(daemon.paths.console_socket, "POST", "/v1/signin", body, {"Vecward-Address": address})
