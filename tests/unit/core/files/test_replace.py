"""Replaced files: the old one or the new one, whole, on the disk before the name is."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from daemon.core.files import replace


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Calls to the kernel, in order."""
    found: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def note_fsync(fd: int) -> None:
        found.append("sync folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "sync file")
        fsync(fd)

    def note_rename(self: Path, target: Path) -> Path:
        found.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "rename", note_rename)
    return found


def test_content_then_name_then_folder_reach_the_disk(tmp_path: Path, steps: list[str]) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    with replace.replacing(target, 0o640) as file:
        file.write(b"new")
        assert target.read_bytes() == b"old"
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o640
    assert steps == ["sync file", "rename", "sync folder"]
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [target]


def test_a_failure_leaves_the_old_file_alone(tmp_path: Path, steps: list[str]) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")

    def break_off() -> None:
        with replace.replacing(target) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert steps == []
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_disk_that_takes_no_more_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(_fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    target = tmp_path / "file"
    target.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(OSError, match="No space"), replace.replacing(target) as file:
        file.write(b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_that_is_whole_gets_its_name_for_good(tmp_path: Path, steps: list[str]) -> None:
    (tmp_path / "new").write_bytes(b"new")
    replace.rename(tmp_path / "new", tmp_path / "file")
    assert steps == ["rename", "sync folder"]
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_files_content_alone_is_put_on_the_disk(tmp_path: Path, steps: list[str]) -> None:
    (tmp_path / "file").write_bytes(b"content")
    replace.sync_file(tmp_path / "file")
    assert steps == ["sync file"]
