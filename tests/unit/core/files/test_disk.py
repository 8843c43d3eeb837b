"""A full disk, told from other errors."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest

from daemon.core.errors import Conflict, DiskFull
from daemon.core.files import disk


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_no_room_and_a_used_up_quota_are_both_a_full_disk(number: int) -> None:
    assert disk.is_full(OSError(number, "no room"))


@pytest.mark.parametrize("error", [OSError(errno.EIO, "broken"), OSError("no number"), Conflict("no"), ValueError()])
def test_other_errors_are_not(error: BaseException) -> None:
    assert not disk.is_full(error)


def test_our_own_error_is() -> None:
    assert disk.is_full(DiskFull("cannot write"))


def test_sqlite_says_it_by_its_code(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "base")
    db.execute("PRAGMA max_page_count = 2")
    db.execute("CREATE TABLE t (x)")
    with pytest.raises(sqlite3.OperationalError) as full:
        db.execute("INSERT INTO t VALUES (zeroblob(100000))")
    with pytest.raises(sqlite3.OperationalError) as other:
        db.execute("SELECT nothing")
    db.close()
    assert disk.is_full(full.value)
    assert not disk.is_full(other.value)
