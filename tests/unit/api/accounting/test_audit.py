"""The audit log: whole lines, counted repeats, marks where something is missing."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from daemon.api.accounting import audit as audit_module
from daemon.api.accounting.audit import MAX_KINDS_OF_REFUSALS, AuditLog, Record
from daemon.core.errors import StartRefused

GIVEN: dict[str, Any] = {
    "principal": "uid:7",
    "pid": 1,
    "via": "daemon",
    "action": "start",
    "outcome": "accepted",
    "tenant": "acme",
}


def record(**changes: Any) -> Record:
    return Record(**{**GIVEN, **changes})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log" / "audit.log"


@pytest.fixture
async def audit(path: Path) -> Any:
    log = AuditLog(path)
    yield log
    log.close()


def raw_of(path: Path) -> str:
    return path.read_text()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line]


async def test_a_line_says_who_did_what_to_whom_when_and_with_what_outcome(audit: AuditLog, path: Path) -> None:
    audit.write(record(request="r1"))
    [line] = lines(path)
    assert line.pop("at").endswith("+00:00")
    assert line == GIVEN | {"request": "r1"}


def test_only_owner_and_group_may_read_it(path: Path) -> None:
    AuditLog(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


async def test_repeats_of_a_refusal_are_counted(audit: AuditLog, path: Path) -> None:
    for number in range(100):
        audit.refused(record(outcome="forbidden", pid=number, request=f"r{number}"))
    audit.refused(record(outcome="forbidden", tenant="globex"))
    assert len(lines(path)) == 2
    audit.flush()
    assert [line.get("repeated") for line in lines(path)] == [None, None, 99]
    assert lines(path)[2]["tenant"] == "acme"
    audit.refused(record(outcome="forbidden"))
    assert len(lines(path)) == 4, "after the minute the next one is written at once again"


async def test_many_refused_callers_take_bounded_memory(
    audit: AuditLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.api.accounting.audit._MAX_COUNTED", 100)
    for number in range(3000):
        audit.refused(record(outcome="unknown-tenant", principal=f"uid:{number}"))
        assert len(audit._repeats) <= 100
    assert len(lines(path)) == 3000


async def test_lines_that_could_not_be_written_are_told_by_the_next(
    audit: AuditLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_fd: int, _raw: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        audit.write(record())
        audit.write(record())
    audit.write(record(action="stop"))
    [line] = lines(path)
    assert (line["action"], line["lines_lost_before"]) == ("stop", 2)


def test_a_line_half_written_does_not_spoil_the_next(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    audit = AuditLog(path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, raw: write(fd, raw[:10]))
        audit.write(record())
    audit.write(record(action="stop"))
    audit.close()
    raw = path.read_text().splitlines()
    assert len(raw) == 2
    assert json.loads(raw[1])["lines_lost_before"] == 1


def test_a_daemon_that_cannot_keep_it_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "audit.log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StartRefused, match="cannot write the audit log"):
        AuditLog(tmp_path / "audit.log")
    assert not (tmp_path / "elsewhere").exists()


@pytest.fixture
async def hundred(audit: AuditLog) -> AuditLog:
    for number in range(100):
        audit.write(record(request=f"r{number}", tenant="acme" if number % 2 else "globex"))
    return audit


def pages(audit: AuditLog, limit: int, **wanted: str) -> Iterator[list[str]]:
    before: int | None = None
    while True:
        found, before = audit.page(before, limit, wanted)
        yield [line["request"] for line in found]
        if before is None:
            return


@pytest.mark.parametrize("limit", [1, 7, 50, 100, 1000])
async def test_pages_go_back_from_the_newest_without_gap_or_repeat(hundred: AuditLog, limit: int) -> None:
    found = [request for page in pages(hundred, limit) for request in page]
    assert found == [f"r{number}" for number in reversed(range(100))]


async def test_pages_go_on_across_the_bound_of_one_look_back(
    hundred: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.api.accounting.audit_pages._LOOK_BACK_BYTES", 500)
    found = [request for page in pages(hundred, 1000) for request in page]
    assert found == [f"r{number}" for number in reversed(range(100))]


async def test_a_page_can_be_filtered(hundred: AuditLog) -> None:
    found, _ = hundred.page(None, 10, {"tenant": "acme"})
    assert [line["request"] for line in found] == [f"r{number}" for number in range(99, 79, -2)]
    assert hundred.page(None, 10, {"tenant": "none"}) == ([], None)


async def test_a_torn_line_is_shown_as_one(audit: AuditLog, path: Path) -> None:
    with path.open("ab") as file:
        file.write(b'{"torn\n')
    found, _ = audit.page(None, 10, {})
    assert [line["action"] for line in found] == ["audit-torn-line"]


async def test_a_caller_without_rights_cannot_fill_the_disk(audit: AuditLog, path: Path) -> None:
    for number in range(5000):
        audit.refused(record(principal="uid:7", tenant=f"made-up-{number}", outcome="unknown-tenant"))
    audit.refused(record(principal="uid:8", outcome="forbidden"))
    audit.flush()
    written = lines(path)
    assert len(written) == MAX_KINDS_OF_REFUSALS + 3
    assert written[-2]["principal"] == "uid:8"
    counted = written[-1]
    assert (counted["principal"], counted["action"], counted["tenant"]) == ("uid:7", "(several)", None)
    assert counted["repeated"] == 5000 - MAX_KINDS_OF_REFUSALS - 1


async def test_nothing_in_a_line_moves_a_cursor(audit: AuditLog, path: Path) -> None:
    evil = "a\x1b[2J\x9b31m\u202ecod.exe\n{}\u2028\ud800"
    audit.write(record(principal=f"user:{evil}", detail=evil))
    [line] = lines(path)
    assert line["detail"] == evil
    assert raw_of(path).rstrip("\n").isprintable()


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


async def test_the_file_is_rotated_each_day_and_pages_go_on_in_older_ones(path: Path) -> None:
    clock = Clock()
    audit = AuditLog(path, now=clock)
    for number in range(6):
        audit.write(record(request=f"r{number}"))
        audit.write(record(request=f"s{number}"))
        clock.now += timedelta(days=1)
    assert len(list(path.parent.glob("audit.log.*"))) == 5
    found, before = audit.page(None, 3, {})
    pages = [[line["request"] for line in found]]
    while before is not None:
        assert before < 2**53  # a number in JSON
        found, before = audit.page(before, 3, {})
        pages.append([line["request"] for line in found])
    assert [each for page in pages for each in page] == [f"{x}{n}" for n in reversed(range(6)) for x in "sr"]
    clock.now += timedelta(days=1000)
    audit.write(record(request="late"))
    assert len(list(path.parent.glob("audit.log.*"))) == 0
    audit.close()


async def test_a_line_is_on_the_disk_a_moment_later(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_module, "SYNC_S", 0.01)
    synced = threading.Event()
    real = os.fdatasync

    def sync(fd: int) -> None:
        real(fd)
        synced.set()

    monkeypatch.setattr(os, "fdatasync", sync)
    audit = AuditLog(path)
    audit.write(record())
    assert await asyncio.to_thread(synced.wait, 10)
    audit.close()
