"""Signing in at a real daemon: sessions, what is told, the lockout."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from daemon.core.config import users
from tests.support.daemons import RunningDaemon, running_daemon
from tests.support.http.raw_http import ask
from tests.support.rights import PASSWORD, as_user, host_with_roles, sign_in


@pytest.fixture(scope="module")
def host() -> Iterator[RunningDaemon]:
    with host_with_roles() as daemon:
        yield daemon


def test_sign_in_gives_a_session_that_ends_with_the_password(host: RunningDaemon) -> None:
    signed_in = sign_in(host, "searcher", PASSWORD).json()
    assert (signed_in["name"], signed_in["admin"]) == ("searcher", False)
    assert sign_in(host, "chief", PASSWORD).json()["admin"] is True
    session = {"Vecward-Session": signed_in["session"]}
    assert as_user(host, "searcher", "GET", "/v1/info", **session).status == 200
    assert as_user(host, "editor", "GET", "/v1/info", **session).status == 401
    users.set_password(host.paths.users_yaml, "searcher", "battery staple")
    assert as_user(host, "searcher", "GET", "/v1/info", **session).status == 401
    users.set_password(host.paths.users_yaml, "searcher", PASSWORD)


def test_sign_in_is_not_for_daemon_sock(host: RunningDaemon) -> None:
    body = json.dumps({"name": "chief", "password": PASSWORD})
    assert ask(host.paths.daemon_socket, "POST", "/v1/signin", body).kind == "forbidden"


def test_a_bad_sign_in_does_not_repeat_the_password(host: RunningDaemon) -> None:
    body = json.dumps({"name": "chief", "password": PASSWORD, "remember": True})
    answer = ask(host.paths.console_socket, "POST", "/v1/signin", body)
    assert (answer.status, answer.json()["field"]) == (422, "remember")
    answer = ask(host.paths.console_socket, "POST", "/v1/signin", json.dumps({"password": PASSWORD}))
    assert answer.status == 422
    assert PASSWORD.encode() not in answer.body


def test_the_lockout_survives_a_restart() -> None:
    with running_daemon({}, start=False) as daemon:
        users.add(daemon.paths.users_yaml, "demo", PASSWORD)
        daemon.start()
        statuses = [sign_in(daemon, "demo", f"guess {n}").status for n in range(9)]
        assert statuses[:5] == [401] * 5
        assert statuses[-1] == 429
        daemon.kill()
        daemon.start()
        locked = sign_in(daemon, "demo", PASSWORD)
        assert (locked.status, locked.kind) == (429, "too-many-attempts")
        assert int(locked.headers["retry-after"]) >= 1
        assert "demo" in users.load(daemon.paths.users_yaml)
