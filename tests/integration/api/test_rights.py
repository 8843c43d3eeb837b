"""Rights against a real daemon: every route for every role, and what an attacker would type."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from daemon.api.routes import ROUTES, By, Route
from daemon.core.config import passwords, users
from daemon.core.roles import Role
from tests.support.daemons import CHECKOUT, RunningDaemon, fake_tenant, running_daemon, wait_for
from tests.support.http.raw_http import RawAnswer, UnixConnection, ask
from tests.support.rights import ACCESS, NAMES, OTHER_ACCESS, PASSWORD, as_user, host_with_roles


@pytest.fixture(scope="module")
def host() -> Iterator[RunningDaemon]:
    with host_with_roles() as daemon:
        yield daemon


# --- every row for every role ---------------------------------------------------------------------

# Bodies and queries with which an allowed call is refused for its content, so that nothing is done.
_HARMLESS = {
    "put_tenant": (b"nonsense: true", ""),
    "delete_tenant": (None, "?purge=another-name"),
    "bench": (b'{"entries": []}', ""),
    "plan_tenant": (b"nonsense: true", ""),
}


def try_route(host: RunningDaemon, route: Route, name: str) -> RawAnswer:
    path = route.path.replace("{tenant}", "acme").replace("{operation}", "0").replace("{entry}", "1")
    body, query = _HARMLESS.get(route.name, (b"{}" if route.method in ("POST", "PUT", "PATCH") else None, ""))
    return as_user(host, name, route.method, path + query, body)


@pytest.mark.parametrize("role", list(NAMES), ids=lambda role: NAMES[role])
@pytest.mark.parametrize("route", [r for r in ROUTES if r.name != "sign_in"], ids=lambda route: route.name)
def test_each_row_for_each_role(host: RunningDaemon, route: Route, role: Role) -> None:
    kind = try_route(host, route, NAMES[role]).kind
    if role.at_least(route.role):
        assert kind not in (
            "unauthenticated",
            "forbidden",
            "unknown-tenant",
            "not-found",
            "method-not-allowed",
            "internal",
        )
    elif "{tenant}" in route.path and role is Role.ANYONE:
        assert kind == "unknown-tenant"
    else:
        assert kind == "forbidden"


@pytest.mark.parametrize("route", [r for r in ROUTES if "{tenant}" in r.path], ids=lambda route: route.name)
def test_the_highest_role_on_one_tenant_is_none_on_another(host: RunningDaemon, route: Route) -> None:
    answer = try_route(host, route, "rival-admin")
    assert (answer.status, answer.kind) == (404, "unknown-tenant")


def test_every_change_that_is_asked_for_is_audited_whatever_came_of_it(host: RunningDaemon) -> None:
    changing = [route for route in ROUTES if route.mutating]
    assert len(changing) > 15
    asked = {route.name: try_route(host, route, NAMES[Role.ADMIN]) for route in changing}
    lines = as_user(host, "chief", "GET", "/v1/audit?principal=user:chief&limit=1000").json()["lines"]
    written = {line["request"]: line for line in lines}
    for name, answer in asked.items():
        line = written[answer.headers["vecward-request"]]
        assert (line["action"], line["via"], line["pid"]) == (name, "console", os.getpid())
        assert line["outcome"] == answer.kind or answer.status < 300


def test_the_encoder_knows_every_relayed_row(host: RunningDaemon) -> None:
    """An encoder refuses unknown paths itself: such an answer means a row of the table without a handler behind it."""
    as_user(host, "chief", "POST", "/v1/tenants/globex/start")
    missing = []
    for route in ROUTES:
        if route.by is By.ENCODER:
            path = route.path.replace("{tenant}", "globex").replace("{operation}", "0").replace("{entry}", "1")
            kind = as_user(host, "chief", route.method, path, {}).kind
            if kind in ("not-found", "method-not-allowed", "internal"):
                missing.append((route.name, kind))
    assert not missing


def test_a_list_shows_what_one_may_search_and_a_searcher_no_operational_figures(host: RunningDaemon) -> None:
    def names(user: str) -> list[str]:
        return [tenant["name"] for tenant in as_user(host, user, "GET", "/v1/tenants").json()["tenants"]]

    assert names("stranger") == []
    assert names("searcher") == ["acme"]
    assert names("rival") == ["globex"]
    assert names("chief") == ["acme", "globex"]
    view = as_user(host, "rival", "GET", "/v1/tenants/globex").json()
    assert (view["role"], view["pid"], view["memory_mb"], view["device"]) == ("searcher", None, None, None)
    view = as_user(host, "rival-admin", "GET", "/v1/tenants/globex").json()
    assert view["role"] == "tenant-admin"
    assert view["pid"] > 1


# --- what an attacker would type ------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *[
            "..",
            ".",
            "%2e%2e",
            "acme%2f..%2fglobex",
            "%67lobex",
            "GLOBEX",
            "globex.",
            "globex%00",
            "g%6Cobex",
            "globex%20",
        ],
        quote("glоbex"),
        "x" * 5000,
    ],
)
@pytest.mark.parametrize("user", ["searcher", "chief"])
def test_no_spelling_reaches_a_tenant_but_its_own(host: RunningDaemon, name: str, user: str) -> None:
    answer = as_user(host, user, "POST", f"/v1/tenants/{name}/search", {"query": "a question"})
    assert answer.status == 404
    assert as_user(host, user, "DELETE", f"/v1/tenants/{name}?purge={name}").status in (404, 422)


def test_hidden_and_unknown_tenants_answer_alike(host: RunningDaemon) -> None:
    def words(name: str) -> str:
        problem = as_user(host, "searcher", "GET", f"/v1/tenants/{name}").json()
        problem.pop("request_id")
        return json.dumps(problem).replace(name, "…")

    assert words("globex") == words("nowhere")


def test_another_tenants_operation_is_unknown(host: RunningDaemon) -> None:
    started = as_user(host, "chief", "POST", "/v1/tenants/globex/start").json()["operation"]["id"]
    assert as_user(host, "rival-admin", "GET", f"/v1/tenants/globex/operations/{started}").status == 200
    for method, tail in (("GET", ""), ("GET", "/wait"), ("DELETE", "")):
        answer = as_user(host, "tenant-admin", method, f"/v1/tenants/acme/operations/{started}{tail}")
        assert answer.kind == "unknown-operation"


def test_another_tenants_entries_are_unknown_under_ones_own(host: RunningDaemon) -> None:
    """Ids are each base's own: an id of globex names nothing under acme, neither entry nor vector nor operation."""
    with host.client() as client:
        for name in ("acme", "globex"):
            client.wait(name, client.start(name).id)
        client.set_texts("acme", ["an entry of acme"])
        client.set_texts("globex", [f"a secret of globex, number {number}" for number in range(3)])
        lines = b"one more secret of globex\n"
        operation = client.wait("globex", client.import_entries("globex", lines, "text/plain").id).id
        theirs = max(entry.id for entry in client.entries("globex").entries)
    own = "/v1/tenants/acme"
    entry = f"/entries/{theirs}"
    for method, path in (("PATCH", entry), ("DELETE", entry), ("GET", f"{entry}/vector")):
        answer = as_user(host, "editor", method, own + path, {"text": "a text of some length"})
        assert (answer.status, answer.kind) == (404, "unknown-entry"), (method, path)
    deleted = as_user(host, "editor", "POST", f"{own}/entries/delete", {"ids": [theirs]})
    assert (deleted.json()["deleted"], deleted.json()["unknown"]) == ([], [theirs])
    assert operation.startswith("e-")
    for method, tail in (("GET", ""), ("GET", "/wait?timeout=0"), ("DELETE", "")):
        assert as_user(host, "tenant-admin", method, f"{own}/operations/{operation}{tail}").kind == "unknown-operation"
    query = {"query": "a secret of globex", "k": 1000}
    reads = ("/search", "/entries?limit=1000", "/export?format=jsonl", "/history", "/logs?tail=10000")
    for path in reads:
        method, body = ("POST", query) if path == "/search" else ("GET", None)
        answer = as_user(host, "tenant-admin", method, own + path, body)
        assert answer.status == 200, path
        assert b"globex" not in answer.body, path
    with host.client() as client:
        assert client.entries("globex").total == 4


def test_events_are_the_callers_tenants_alone(host: RunningDaemon) -> None:
    def tenants(user: str) -> set[str | None]:
        return {
            event["tenant"] for event in as_user(host, user, "GET", "/v1/events?after=0&limit=1000").json()["events"]
        }

    assert tenants("rival-admin") == {"globex"}
    assert tenants("chief") >= {None, "acme", "globex"}


def test_followed_events_are_the_callers_tenants_alone(host: RunningDaemon) -> None:
    connection = UnixConnection(host.paths.console_socket)
    connection.request("GET", "/v1/events?follow=true&after=0", headers={"Vecward-User": "rival-admin"})
    response = connection.getresponse()
    as_user(host, "chief", "POST", "/v1/tenants/acme/restart")
    restarted = as_user(host, "chief", "POST", "/v1/tenants/globex/restart").json()["operation"]["id"]
    as_user(host, "chief", "GET", f"/v1/tenants/globex/operations/{restarted}/wait?timeout=30")
    seen: list[dict[str, Any]] = []
    while len(seen) < 4 or seen[-1]["data"].get("state") != "ready":
        line = response.readline()
        if line.startswith(b"data: "):
            seen.append(json.loads(line[6:]))
    connection.close()
    assert {event["tenant"] for event in seen} == {"globex"}


def test_vecward_user_on_daemon_sock_is_refused_even_for_root(host: RunningDaemon) -> None:
    answer = ask(host.paths.daemon_socket, "GET", "/v1/health", headers={"Vecward-User": "chief"})
    assert (answer.status, answer.kind) == (403, "forbidden")


def test_console_sock_without_a_user_answers_nothing(host: RunningDaemon) -> None:
    for target in ("/v1/health", "/v1/tenants/acme", "/nowhere", "/openapi.json", "/metrics"):
        assert ask(host.paths.console_socket, "GET", target).status == 401


def test_a_console_user_named_root_is_a_stranger(host: RunningDaemon) -> None:
    info = as_user(host, "root", "GET", "/v1/info").json()
    assert info["admin"] is False
    assert info["caller"] == ["user:root"]
    assert info["paths"] == {}
    assert as_user(host, "root", "GET", "/v1/tenants/acme").status == 404


def test_callers_headers_do_not_reach_the_encoder(host: RunningDaemon) -> None:
    headers = {"Vecward-Actor": "user:somebody-else", "Vecward-Request": "f" * 32}
    body = {"entries": [{"text": "an entry whose author is checked"}]}
    as_user(host, "chief", "POST", "/v1/tenants/globex/start")
    added = as_user(host, "chief", "POST", "/v1/tenants/globex/entries", body, **headers)
    assert added.status == 201, added.body
    assert added.headers["vecward-request"] != "f" * 32
    changes = as_user(host, "chief", "GET", "/v1/tenants/globex/history").json()["changes"]
    assert changes[0]["actor"] == "user:chief"


def test_the_sockets_are_as_open_as_they_must_be(host: RunningDaemon) -> None:
    assert stat.S_IMODE(host.paths.daemon_socket.stat().st_mode) == 0o666
    assert stat.S_IMODE(host.paths.console_socket.stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_linux_user_is_a_stranger_until_granted(host: RunningDaemon) -> None:
    """A child with another uid, and the groups of its own choice, calls over daemon.sock."""

    def call(uid: int, groups: list[int], target: str) -> tuple[int, Any]:
        code = (
            "import json, os, sys; from pathlib import Path; from tests.support.http.raw_http import ask; "
            "uid, groups, sock, target = json.loads(sys.argv[1]); "
            "os.setgroups(groups); os.setgid(uid); os.setuid(uid); "
            "answer = ask(Path(sock), 'GET', target); print(json.dumps([answer.status, answer.json()]))"
        )
        given = json.dumps([uid, groups, str(host.paths.daemon_socket), target])
        made = subprocess.run([sys.executable, "-c", code, given], capture_output=True, cwd=CHECKOUT, check=True)
        status, answer = json.loads(made.stdout)
        return status, answer

    host.root.chmod(0o711)
    assert call(4_000_001, [], "/v1/info")[1]["caller"] == ["uid:4000001"]
    assert call(65534, [65534], "/v1/info")[1]["caller"] == []
    assert "group:daemon" in call(4_000_001, [1], "/v1/info")[1]["caller"]
    assert call(4_000_001, [], "/v1/tenants/globex")[0] == 404
    granted = {**OTHER_ACCESS, "searchers": ["uid:4000001", "group:daemon", "user:rival"]}
    host.write_tenant("globex", fake_tenant(access=granted))
    wait_for(lambda: call(4_000_001, [], "/v1/tenants/globex")[0] == 200, what="the changed file")
    assert call(4_000_002, [], "/v1/tenants/globex")[0] == 404
    assert call(4_000_002, [1], "/v1/tenants/globex")[0] == 200


def test_a_name_used_again_brings_nothing_back() -> None:
    """A new tenant of the name of a destroyed one gets neither its knowledge, log and events nor the rights on it."""
    with running_daemon({"acme": fake_tenant(access=ACCESS)}, start=False, admins=["user:chief"]) as daemon:
        users.save(daemon.paths.users_yaml, {n: passwords.hash_password(PASSWORD) for n in [*NAMES.values(), "heir"]})
        daemon.start()
        wait_for(lambda: as_user(daemon, "chief", "GET", "/v1/tenants/acme").json()["state"] == "ready")
        added = as_user(daemon, "editor", "POST", "/v1/tenants/acme/entries", {"entries": [{"text": "an old secret"}]})
        assert added.status == 201
        operation = as_user(daemon, "tenant-admin", "POST", "/v1/tenants/acme/restart").json()["operation"]["id"]
        new = json.dumps(fake_tenant(access={"admins": ["user:heir"]})).encode()
        assert as_user(daemon, "chief", "DELETE", "/v1/tenants/acme").status == 204
        assert as_user(daemon, "chief", "PUT", "/v1/tenants/acme", new).kind == "data-exists"
        assert as_user(daemon, "chief", "DELETE", "/v1/tenants/acme?purge=acme").status == 204
        assert as_user(daemon, "chief", "PUT", "/v1/tenants/acme", new).status == 201
        wait_for(lambda: as_user(daemon, "heir", "GET", "/v1/tenants/acme").json()["state"] == "ready")
        for name in ("searcher", "editor", "tenant-admin"):
            assert as_user(daemon, name, "GET", "/v1/tenants/acme").kind == "unknown-tenant"
        assert as_user(daemon, "heir", "GET", "/v1/tenants/acme/entries").json()["total"] == 0
        assert as_user(daemon, "heir", "GET", "/v1/tenants/acme/history").json()["changes"] == []
        assert as_user(daemon, "heir", "GET", f"/v1/tenants/acme/operations/{operation}").kind == "unknown-operation"
        seen = as_user(daemon, "heir", "GET", "/v1/events?after=0&limit=1000").json()["events"]
        assert seen[0]["name"] == "tenant-created"
        assert sum(event["data"].get("state") == "ready" for event in seen) == 1
        log = as_user(daemon, "heir", "GET", "/v1/tenants/acme/logs?tail=1000").json()["lines"]
        assert sum(line["event"] == "ready" for line in log) == 1
        former = as_user(daemon, "chief", "GET", "/v1/events?after=0&limit=1000").json()["events"]
        assert any(str(event["tenant"]).startswith("acme (destroyed ") for event in former)
