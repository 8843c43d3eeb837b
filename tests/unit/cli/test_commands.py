"""Each command against a real server: the request, the output, the exit code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from daemon.api.routes import ROUTES
from daemon.cli.app import app
from daemon.cli.isolation_words import DISK, ISOLATION
from tests.support.cli import Vecward
from tests.support.http import answers
from tests.support.http.api_stub import Canned, Stub, problem

T = "/v1/tenants/acme"
ESCAPE = "\x1b[31mred\x1b]0;title\x07"

STATUS = """\
tenant  state  uptime  restarts  entries  device  isolation  memory  reason
acme    ready  61.0 s         2       12  cpu     process    120 MB  –
"""
OWN_PROCESS = f"{ISOLATION['process']}; {DISK['watch']}"
ONE = f"""\
tenant       acme
title        Sales / 销售部
state        ready (goal: up)
your role    admin
uptime       61.0 s
restarts     2
entries      12
device       cpu
isolation    {OWN_PROCESS}
memory       120 MB
"""
VECTOR = """\
dimension    4
norm         1.000000
fingerprint  fake
+0.5000 -0.5000 +0.5000 -0.5000
"""
USAGE = """\
tenant  day         queries  texts  tokens  encoder time  storage
acme    2025-01-02     1234     56    7890        12.3 s  3.0 MiB
"""
OPENAPI = """\
{"openapi": "3.1.0", "info": {"title": "vecward", "version": "0.1.0"}, "paths": {}, "components": {"schemas": {}}}
"""
HISTORY = """\
revision  at                         by     change  added  removed  edited
       8  2025-01-02 03:04:05+00:00  uid:0  undo        1        2       3
"""
PLAN = """\
acme: change, its encoder restarts
field        before  after  effect
limits.cpus  –       2.0    restart
"""
RECOVERED = {"entries": 11, "expected": 12, "vectors": 10, "kept": "knowledge.db.damaged"}


@dataclass(frozen=True)
class Case:
    """A command that prints the API's answer: as JSON just that, for people these words."""

    command: str
    arguments: tuple[str, ...]
    route: str
    answer: Any
    out: str
    err: str = ""

    @property
    def line(self) -> tuple[str, ...]:
        return (*self.command.split(), *self.arguments)


DONE = answers.operation("done")
CASES = {
    "status": Case("status", (), "GET /v1/tenants", answers.TENANTS, STATUS, f"isolation process: {OWN_PROCESS}"),
    "status of one": Case("status", ("acme",), f"GET {T}", answers.TENANT, ONE),
    "search": Case(
        "search",
        ("acme", "吃", "-k", "2", "--min-score", "-0.5"),
        f"POST {T}/search",
        answers.SEARCHED,
        "#   score  id  text\n1  0.9000   3  lost my password\n",
    ),
    "vector": Case("vector", ("acme", "吃", "--kind", "document"), f"POST {T}/vector", answers.VECTOR, VECTOR),
    "vector of an entry": Case("vector", ("acme", "--id", "3"), f"GET {T}/entries/3/vector", answers.VECTOR, VECTOR),
    "logs": Case(
        "logs",
        ("acme",),
        f"GET {T}/logs",
        {"lines": [answers.LOG_LINE]},
        "2025-01-02T03:04:05Z info encoder-ready entries=12\n",
    ),
    "events": Case(
        "events",
        (),
        "GET /v1/events",
        {"events": [answers.EVENT], "next": 1},
        "1 2025-01-02T03:04:05+00:00 acme tenant-ready entries=12\n",
    ),
    "usage": Case("usage", (), "GET /v1/usage", answers.USAGE, USAGE),
    "usage of one": Case("usage", ("acme",), f"GET {T}/usage", answers.USAGE, USAGE),
    "openapi": Case("openapi", (), "GET /openapi.json", answers.OPENAPI, OPENAPI),
    "start": Case(
        "start", ("acme", "--no-wait"), f"POST {T}/start", answers.operation(), "acme: start runs as operation d-1\n"
    ),
    "stop": Case("stop", ("acme",), f"POST {T}/stop", DONE, "acme: start done in 2.0 s\n"),
    "restart": Case("restart", ("acme",), f"POST {T}/restart", DONE, "acme: start done in 2.0 s\n"),
    "park": Case("park", ("acme",), f"POST {T}/park", DONE, "acme: start done in 2.0 s\n"),
    "entries list": Case(
        "entries list",
        ("acme", "-q", "a"),
        f"GET {T}/entries",
        answers.ENTRIES,
        "id  text              metadata\n 3  lost my password  by=zhang\n",
        "1 of 1 entry, revision 7",
    ),
    "entries add": Case(
        "entries add", ("acme", "a b"), f"POST {T}/entries", answers.ADDED, "added 2 entries: 3, 4; revision 7\n"
    ),
    "entries edit": Case(
        "entries edit", ("acme", "3", "x"), f"PATCH {T}/entries/3", answers.ENTRY, "3  lost my password  by=zhang\n"
    ),
    "entries delete": Case(
        "entries delete",
        ("acme", "3"),
        f"POST {T}/entries/delete",
        {"deleted": [3], "revision": 8},
        "deleted 1 entry; revision 8\n",
    ),
    "entries import": Case(
        "entries import",
        ("acme", "-", "--no-wait"),
        f"POST {T}/import",
        answers.operation(),
        "import runs as operation d-1\n",
    ),
    "entries history": Case(
        "entries history",
        ("acme",),
        f"GET {T}/history",
        {"changes": [answers.CHANGE], "next": 8},
        HISTORY,
        "more with --after 8",
    ),
    "entries undo": Case(
        "entries undo", ("acme",), f"POST {T}/undo", answers.CHANGE, "added 1, removed 2, edited 3; revision 8\n"
    ),
    "restore": Case(
        "restore",
        ("acme", "-", "--no-wait"),
        f"POST {T}/restore",
        answers.operation(kind="restore"),
        "restore runs as operation d-1\n",
    ),
    "restore to its end": Case(
        "restore",
        ("acme", "-"),
        f"POST {T}/restore",
        answers.operation("done", result={"entries": 1, "replaced": 4, "revision": 9}),
        "acme: restored 1 entry in the place of 4; revision 9\n",
    ),
    "entries recover": Case(
        "entries recover",
        ("acme",),
        f"POST {T}/recover",
        answers.operation("done", result=RECOVERED),
        "acme: recovered 11 of 12 entries, 10 with their vectors; the damaged file is kept as knowledge.db.damaged. "
        "Start it with: vecward start acme\n",
    ),
    "tenant list": Case(
        "tenant list",
        (),
        "GET /v1/tenants",
        answers.TENANTS,
        "tenant  title  title (zh)  state  your role\nacme    Sales  销售部      ready  admin\n",
    ),
    "tenant plan": Case("tenant plan", ("-", "--tenant", "acme"), f"POST {T}/plan", answers.TENANT_PLAN, PLAN),
    "tenant create": Case("tenant create", ("acme", "-"), f"PUT {T}", answers.TENANT, "acme: ready\n"),
}

# Commands that do more than print one answer, and the file that tests each.
ELSEWHERE = {
    "up": "unit/cli/test_up.py",
    "daemon": "unit/cli/test_up.py",
    "console": "unit/cli/test_up.py",
    "backup": "integration/encoder/test_backup.py",
    "bench": "integration/jobs/test_bench.py",
    "doctor": "unit/cli/test_doctor.py",
    "entries set": "unit/cli/test_entries.py",
    "entries export": "unit/cli/test_files.py",
    "tenant check": "unit/cli/test_tenants.py",
    "tenant delete": "unit/cli/test_lifecycle.py",
    "user add": "unit/cli/test_users.py",
    "user passwd": "unit/cli/test_users.py",
    "user remove": "unit/cli/test_users.py",
    "user list": "unit/cli/test_users.py",
    "model fetch": "integration/cli/test_model.py",
    "model verify": "integration/cli/test_model.py",
}


def _commands(group: Any, before: tuple[str, ...] = ()) -> list[str]:
    """The names of all commands below a group of click's."""
    if not hasattr(group, "commands"):
        return [" ".join(before)]
    return [name for word, command in group.commands.items() for name in _commands(command, (*before, word))]


def test_every_command_is_tested() -> None:
    cases = {case.command for case in CASES.values()}
    assert sorted(_commands(typer.main.get_command(app))) == sorted(cases | set(ELSEWHERE))


@pytest.mark.parametrize("command", ELSEWHERE)
def test_the_file_that_tests_a_command_runs_it(command: str) -> None:
    text = (Path(__file__).parents[2] / ELSEWHERE[command]).read_text()
    assert [word for word in command.split() if f'"{word}"' not in text] == []


@pytest.mark.parametrize("name", CASES)
def test_json_is_the_apis_own(stub: Stub, root: Path, vecward: Vecward, name: str) -> None:
    case = CASES[name]
    stub.answers[case.route] = Canned(case.answer)
    ended = vecward("--root", root, *case.line, "--json", stdin=b"{}")
    assert (ended.code, ended.err) == (0, "")
    assert ended.json == case.answer


@pytest.mark.parametrize("name", CASES)
def test_words_for_people(stub: Stub, root: Path, vecward: Vecward, name: str) -> None:
    case = CASES[name]
    stub.answers[case.route] = Canned(case.answer)
    ended = vecward("--root", root, *case.line, stdin=b"{}")
    assert (ended.code, ended.out) == (0, case.out)
    assert ended.err == (f"vecward: {case.err}\n" if case.err else "")


def _with_a_warning(case: Case) -> Any:
    """The answer with a warning in it; None: this route's answers have none."""
    method, path = case.route.split(" ")
    matches = (route for route in ROUTES if re.fullmatch(re.sub(r"{\w+}", "[^/]+", route.path), path))
    (route,) = (route for route in matches if route.method == method)
    warnings = {"warnings": {"texts-cut": f"1 text cut {ESCAPE}"}}
    fields = route.answer.model_fields if route.answer is not None else {}
    if "tenants" in fields:
        return {**case.answer, "tenants": [tenant | warnings for tenant in case.answer["tenants"]]}
    return case.answer | warnings if "warnings" in fields else None


WARNED = {name: answer for name, case in CASES.items() if (answer := _with_a_warning(case))}


def test_the_answers_that_may_hold_warnings_are_known() -> None:
    assert {"status", "search", "vector", "entries add", "entries edit", "tenant list", "tenant create"} <= set(WARNED)


@pytest.mark.parametrize("name", WARNED)
def test_a_warning_in_an_answer_reaches_the_person(stub: Stub, root: Path, vecward: Vecward, name: str) -> None:
    case = CASES[name]
    stub.answers[case.route] = Canned(WARNED[name])
    ended = vecward("--root", root, *case.line, stdin=b"{}")
    assert ended.code == 0
    assert "1 text cut \\x1b[31mred\\x1b]0;title\\x07\n" in ended.out + ended.err
    assert vecward("--root", root, *case.line, "--json", stdin=b"{}").json == WARNED[name]


@pytest.mark.parametrize("name", CASES)
def test_a_refusal_names_its_kind(stub: Stub, root: Path, vecward: Vecward, name: str) -> None:
    case = CASES[name]
    stub.answers[case.route] = Canned(problem("tenant-failed", f"cannot search {ESCAPE}"), 503)
    ended = vecward("--root", root, *case.line, "--json", stdin=b"{}")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "vecward: tenant-failed: cannot search \\x1b[31mred\\x1b]0;title\\x07\n"


@pytest.mark.parametrize("name", CASES)
def test_nobody_there(tmp_path: Path, vecward: Vecward, name: str) -> None:
    ended = vecward("--socket", tmp_path / "none", *CASES[name].line, "--json", stdin=b"{}")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.startswith("vecward: daemon-unreachable: cannot reach the daemon")


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["search", "acme"],
        ["search", "acme", "x", "-k", "many"],
        ["vector", "acme"],
        ["vector", "acme", "x", "--id", "3"],
        ["entries", "add", "acme"],
        ["entries", "add", "acme", "x", "--meta", "novalue"],
        ["entries", "edit", "acme", "3"],
        ["entries", "export", "acme", "--format", "pdf"],
        ["tenant", "delete", "acme", "--purge"],
        ["up", "--port", "70000"],
    ],
)
def test_wrong_usage(vecward: Vecward, arguments: list[str]) -> None:
    ended = vecward("--socket", "/nonexistent", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Usage: vecward ")
