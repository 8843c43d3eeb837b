"""File locks: one holder, who is named to others."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from daemon.core.errors import Conflict
from daemon.core.files import locks


def test_one_holds_it_and_is_named(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    fd = locks.hold(path, "the daemon")
    with pytest.raises(Conflict, match=f"another one runs with pid {os.getpid()} "):
        locks.hold(path, "the daemon")
    assert locks.take(path) == str(os.getpid())
    locks.release(fd, path)
    assert not path.exists()
    again = locks.hold(path, "the daemon")
    locks.release(again, path)


def test_shared_holders_keep_one_that_wants_it_alone_out(tmp_path: Path) -> None:
    first, second, alone = (locks.open_file(tmp_path / "lock") for _ in range(3))
    locks.lock(first, shared=True)
    locks.lock(second, shared=True)
    assert not locks.try_lock(alone)
    os.close(first)
    assert not locks.try_lock(alone)
    os.close(second)
    assert locks.try_lock(alone)
    os.close(alone)


def test_who_waits_gets_it_when_its_holder_goes(tmp_path: Path) -> None:
    holder, waiting = (locks.open_file(tmp_path / "lock") for _ in range(2))
    locks.lock(holder)
    got = threading.Event()

    def wait() -> None:
        locks.lock(waiting)
        got.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not got.is_set()
    os.close(holder)
    assert got.wait(10)
    thread.join()
    os.close(waiting)


def test_a_lock_on_a_file_that_was_removed_meanwhile_is_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    old = locks.hold(path, "the daemon")
    path.unlink()
    fresh = locks.take(path)
    assert isinstance(fresh, int), "the path has a file of its own, which nobody holds"
    assert os.fstat(fresh).st_ino == path.stat().st_ino
    os.close(old)
    os.close(fresh)


def test_a_link_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        locks.open_file(tmp_path / "lock")
    assert not (tmp_path / "elsewhere").exists()
