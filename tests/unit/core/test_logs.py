"""The daemon's own log file."""

from __future__ import annotations

import errno
import json
import logging
import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from daemon.core import logs
from daemon.core.errors import StartRefused


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    made = logging.getLogger("daemon-log-test")
    made.setLevel("INFO")
    made.propagate = False
    yield made
    for handler in list(made.handlers):
        made.removeHandler(handler)
        handler.close()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_it_is_rotated_daily_and_kept_thirty_days(tmp_path: Path, logger: logging.Logger):
    now = datetime(2026, 11, 1, 12, tzinfo=UTC)
    path = tmp_path / "log" / "daemon.log"
    logger.addHandler(logs.DailyHandler(path, now=lambda: now))
    for day in range(40):
        logger.info("day", extra={"number": day})
        now += timedelta(days=1)
    assert len(list(path.parent.glob("daemon.log.*"))) == 30
    assert [line["number"] for line in lines(path)] == [39]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_lines_that_a_full_disk_took_are_counted(
    tmp_path: Path, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "daemon.log"
    logger.addHandler(logs.DailyHandler(path))
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", _no_room)
        logger.info("one")
        logger.info("two")
    logger.info("three")
    assert [(line["event"], line.get("lines")) for line in lines(path)] == [("lines-lost", 2), ("three", None)]


def _no_room(_fd: int, _raw: bytes) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path):
    (tmp_path / "log").write_text("a file in the way")
    with pytest.raises(StartRefused, match="make it writable"):
        logs.also_to(tmp_path / "log" / "daemon.log")
