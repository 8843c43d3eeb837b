"""Pages that are put together, and streams that are followed: status, usage, events, logs."""

from __future__ import annotations

import json
from pathlib import Path

from daemon.cli.isolation_words import DISK, ISOLATION
from tests.support.cli import Vecward
from tests.support.http import answers
from tests.support.http.api_stub import Asked, Canned, Stub

T = "/v1/tenants/acme"
ESCAPE = "\x1b[31mred\x1b]0;title\x07"


def test_status_shows_every_page_and_what_the_isolation_means(stub: Stub, root: Path, vecward: Vecward) -> None:
    def page(asked: Asked) -> Canned:
        if "after=acme" in asked.target:
            return Canned(
                {**answers.TENANTS, "tenants": [{**answers.TENANT, "name": "globex", "warnings": {"memory_mb": "hot"}}]}
            )
        return Canned({**answers.TENANTS, "next": "acme", "total": 2})

    stub.answers["GET /v1/tenants"] = page
    ended = vecward("--root", root, "status")
    assert [line.split()[0] for line in ended.out.splitlines()] == ["tenant", "acme", "globex"]
    own_process = f"{ISOLATION['process']}; {DISK['watch']}"
    assert ended.err.splitlines() == [f"vecward: isolation process: {own_process}", "vecward: globex: hot"]
    joined = vecward("--root", root, "status", "--json").json
    assert [tenant["name"] for tenant in joined["tenants"]] == ["acme", "globex"]
    assert joined["next"] is None


def test_status_of_one_shows_its_last_crash(stub: Stub, root: Path, vecward: Vecward) -> None:
    crash = {"at": "2026-11-25T10:00:00Z", "reason": "the encoder ended by SIGKILL", "last_lines": [f"x {ESCAPE}"]}
    stub.answers[f"GET {T}"] = Canned({**answers.TENANT, "crash": crash})
    *_, head, last = vecward("--root", root, "status", "acme").out.splitlines()
    assert head == "crashed      2026-11-25T10:00:00+00:00: the encoder ended by SIGKILL"
    assert last == "    x \\x1b[31mred\\x1b]0;title\\x07"


def test_following_events_prints_a_document_a_line(stub: Stub, root: Path, vecward: Vecward) -> None:
    other = {**answers.EVENT, "id": 2, "tenant": "globex"}
    sent = "".join(f"data: {json.dumps(event)}\n\n" for event in (answers.EVENT, other, answers.EVENT)).encode()
    stub.answers["GET /v1/events"] = Canned([sent], media_type="text/event-stream")
    assert vecward("--root", root, "events", "-f", "--tenant", "acme", "--json").documents == [answers.EVENT] * 2
    assert vecward("--root", root, "events", "-f").out.count("tenant-ready") == 3


def test_a_crash_shows_the_last_lines_of_the_log_below_it(stub: Stub, root: Path, vecward: Vecward) -> None:
    data = {"signal": "SIGKILL", "last_lines": ["ready", f"loading {ESCAPE}"]}
    stub.answers["GET /v1/events"] = Canned({"events": [answers.EVENT | {"data": data}], "next": 1})
    head, first, second = vecward("--root", root, "events").out.splitlines()
    assert head.endswith("acme tenant-ready signal=SIGKILL")
    assert (first, second) == ("    last_lines: ready", "    last_lines: loading \\x1b[31mred\\x1b]0;title\\x07")


def test_usage_is_a_table_of_days(stub: Stub, root: Path, vecward: Vecward) -> None:
    stub.answers["GET /v1/usage"] = Canned(answers.USAGE)
    head, row = vecward("--root", root, "usage").out.splitlines()
    assert head.split() == ["tenant", "day", "queries", "texts", "tokens", "encoder", "time", "storage"]
    assert row.split() == ["acme", "2025-01-02", "1234", "56", "7890", "12.3", "s", "3.0", "MiB"]


def test_following_a_log(stub: Stub, root: Path, vecward: Vecward) -> None:
    stub.answers[f"GET {T}/logs"] = Canned([json.dumps(answers.LOG_LINE).encode() + b"\n"] * 2)
    assert vecward("--root", root, "logs", "acme", "-f", "--tail", "2", "--json").documents == [answers.LOG_LINE] * 2
    assert (
        vecward("--root", root, "logs", "acme", "-f").out.splitlines()
        == [f"{answers.AT} info encoder-ready entries=12"] * 2
    )
