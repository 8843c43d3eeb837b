"""Log files of one day: rotated, kept for a time, and never in the way of the next line."""

from __future__ import annotations

import errno
import os
import stat
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from daemon.core.files import rotation
from daemon.core.files.rotation import DailyFile

DAY = date(2026, 11, 1)


class Clock:
    """A day that the test moves."""

    def __init__(self) -> None:
        self.day = DAY

    def __call__(self) -> date:
        return self.day

    def move(self, days: int) -> None:
        self.day += timedelta(days)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path, clock: Clock) -> DailyFile:
    return DailyFile(tmp_path / "log" / "x.log", 3, clock)


def names(file: DailyFile) -> list[str]:
    return sorted(path.name for path in file.path.parent.iterdir())


def test_each_day_has_its_file_for_a_time(file: DailyFile, clock: Clock) -> None:
    for number in range(6):
        assert file.write(b"%d\n" % number)
        assert file.write(b"again\n")
        clock.move(1)
    assert names(file) == ["x.log", "x.log.2026-11-03", "x.log.2026-11-04", "x.log.2026-11-05"]
    assert file.path.read_bytes() == b"5\nagain\n"
    assert [rotation.day_of(path).day for path in rotation.rotated(file.path)] == [3, 4, 5]
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o640
    assert file.size == 8


def test_a_file_of_an_earlier_life_is_rotated_by_its_last_change(file: DailyFile) -> None:
    file.path.parent.mkdir()
    file.path.write_bytes(b"old\n")
    long_ago = datetime(2026, 10, 30, 12, tzinfo=UTC).timestamp()
    os.utime(file.path, (long_ago, long_ago))
    file.write(b"new\n")
    assert names(file) == ["x.log", "x.log.2026-10-30"]


def test_a_clock_that_went_back_loses_nothing(file: DailyFile, clock: Clock) -> None:
    for days in (1, -1, 1, 1):
        file.write(b"a line\n")
        clock.move(days)
    file.write(b"last\n")
    text = b"".join(path.read_bytes() for path in [*rotation.rotated(file.path), file.path])
    assert text.count(b"a line") == 4
    assert file.path.read_bytes().endswith(b"last\n")


def test_a_torn_line_is_ended_before_the_next_one(file: DailyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, raw: write(fd, raw[:3]))
        assert not file.write(b"a line\n")
    assert file.torn
    assert file.write(b"whole\n")
    assert file.path.read_bytes() == b"a l\nwhole\n"


def test_a_line_that_a_crash_tore_is_seen_when_the_file_is_opened(file: DailyFile) -> None:
    file.path.parent.mkdir()
    file.path.write_bytes(b"torn")
    os.utime(file.path, (datetime(2026, 11, 1, tzinfo=UTC).timestamp(),) * 2)
    file.open()
    assert file.torn


def test_where_the_new_file_cannot_be_opened_the_old_one_goes_on(
    file: DailyFile, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write(b"one\n")
    clock.move(1)
    with monkeypatch.context() as patch:
        patch.setattr(rotation, "_open", _no_room)
        assert file.write(b"two\n")
    assert file.write(b"three\n")
    assert file.path.with_name("x.log.2026-11-01").read_bytes() == b"one\ntwo\n"
    assert file.path.read_bytes() == b"three\n"


def _no_room(_path: Path) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_the_last_descriptor_of_a_day_is_handed_to_whoever_closes_it(tmp_path: Path, clock: Clock) -> None:
    closed: list[bytes] = []

    def let_go(fd: int) -> None:
        closed.append(os.pread(fd, 100, 0))
        os.close(fd)

    file = DailyFile(tmp_path / "x.log", 3, clock, let_go=let_go)
    file.write(b"one\n")
    clock.move(1)
    file.write(b"two\n")
    file.close()
    assert closed == [b"one\n", b"two\n"]


def test_a_link_is_refused(file: DailyFile, tmp_path: Path) -> None:
    file.path.parent.mkdir()
    file.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        file.open()
    assert not (tmp_path / "elsewhere").exists()
