from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from daemon.core.paths import Paths
from daemon.supervisor.logs.sweep import LogSweep
from daemon.supervisor.logs.tenant_log import MAX_LINE_BYTES, TenantLog


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def test_logs_rotate_daily_and_are_kept_thirty_days(tmp_path: Path):
    clock = Clock()
    log = TenantLog(tmp_path / "encoder.log", now=clock)
    for day in range(40):
        log.write({"event": "day", "number": day})
        clock.now += timedelta(days=1)
    rotated = sorted(path.name for path in tmp_path.glob("encoder.log.*"))
    assert len(rotated) == 30
    assert rotated[-1] == "encoder.log.2026-12-09"
    assert [line["number"] for line in log.tail(3)] == [37, 38, 39]
    log.close()


def test_a_restart_on_a_later_day_rotates_too(tmp_path: Path):
    path = tmp_path / "encoder.log"
    path.write_text('{"event": "old"}\n')
    clock = Clock()
    clock.now = datetime.now(UTC) + timedelta(days=2)
    log = TenantLog(path, now=clock)
    log.write({"event": "new"})
    assert len(list(tmp_path.glob("encoder.log.*"))) == 1
    assert [line["event"] for line in log.tail(10)] == ["old", "new"]
    log.close()


async def test_logs_of_tenants_that_write_nothing_are_kept_thirty_days_too(tmp_path: Path):
    """Logs of stopped, parked and removed tenants are swept; the one that wrote may go on at any time."""
    clock, paths = Clock(), Paths.under(tmp_path)
    path, sweep = paths.tenant("quiet").encoder_log, LogSweep(paths, now=clock)
    log = TenantLog(path, now=clock)
    for number in range(3):
        log.write({"event": "day", "number": number})
        _written_at(path, clock)
        clock.now += timedelta(days=1)
    await sweep.sweep()
    assert _files(path) == ["encoder.log.2026-11-01", "encoder.log.2026-11-02", "encoder.log.2026-11-03"]
    clock.now += timedelta(days=29)
    await sweep.sweep()
    assert _files(path) == ["encoder.log.2026-11-03"]
    log.write({"event": "awake"})
    assert [line["event"] for line in log.tail(10)] == ["day", "awake"]
    _written_at(path, clock)
    clock.now += timedelta(days=31)
    await sweep.sweep()
    assert _files(path) == []
    log.write({"event": "awake again"})
    assert [line["event"] for line in log.tail(10)] == ["awake again"]
    log.close()


def _written_at(path: Path, clock: Clock) -> None:
    os.utime(path, (clock.now.timestamp(), clock.now.timestamp()))


def _files(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir())


def test_what_an_encoder_prints_is_data(tmp_path: Path):
    log = TenantLog(tmp_path / "encoder.log")
    log.write_raw(b"Traceback %s {0}\x1b[31m")
    log.write_raw(b'["not", "an", "object"]')
    log.write_raw(b"\xff\xfe")
    log.write_raw(b"x" * (MAX_LINE_BYTES + 5))
    lines = [json.loads(line) for line in (tmp_path / "encoder.log").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["stderr"] * 4
    assert lines[0]["text"] == "Traceback %s {0}\x1b[31m"
    assert lines[3]["cut_bytes"] == 5
    log.close()


def test_tail_of_nothing(tmp_path: Path):
    assert TenantLog(tmp_path / "none" / "encoder.log").tail(10) == []
