"""limits.disk_mb and full disks: nothing acknowledged is lost, and service goes on when there is room again."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.core import errors
from daemon.encoder.knowledge import Knowledge
from daemon.encoder.knowledge.salvage import damage
from tests.support.encoder.knowledge import add, check_vectors, contents, context, delete, open_base


def _fill(base: Knowledge, name: str = "filling") -> dict[int, str]:
    """Adds until the disk is full; returns what was acknowledged."""
    acknowledged: dict[int, str] = {}
    for i in range(10_000):
        texts = [f"{name} {i}-{j} " + "x" * 500 for j in range(10)]
        try:
            done = add(base, *texts, request_id=f"fill-{base.reads.revision}-{i}")
        except errors.DiskFull as error:
            assert "nothing acknowledged is lost" in error.message
            return acknowledged
        acknowledged |= dict(zip(done.added, texts, strict=True))
    raise AssertionError("the disk was never full")


def _holds(base: Knowledge, expected: dict[int, str]) -> None:
    assert {id_: text for id_, (text, _) in contents(base).items()} == expected
    check_vectors(base)
    assert damage.find(base.database) == []


def test_disk_mb(tmp_path: Path) -> None:
    path = tmp_path / "knowledge.db"
    base = open_base(path, disk_mb=4)
    expected = _fill(base)
    assert len(expected) > 500
    used = sum(part.stat().st_size for part in tmp_path.iterdir() if not part.name.endswith("-shm"))
    assert used <= 4 * 2**20
    _holds(base, expected)
    base.close()
    base = open_base(path, disk_mb=4)
    gone = sorted(expected)[:5]
    delete(base, *gone)  # there is room for a delete
    base.writes.undo(context())
    delete(base, *sorted(expected)[: len(expected) // 2], forget=True)
    expected = dict(sorted(expected.items())[len(expected) // 2 :])
    _holds(base, expected)
    expected[base.reads.entry(add(base, "room again").added[0]).id] = "room again"
    _holds(base, expected)
    base.close()
    base = open_base(path, disk_mb=8)
    expected |= _fill(base, "larger")
    _holds(base, expected)
    base.close()


def test_index_and_models_count_with_the_base(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    model = tmp_path / "models" / "weights"
    model.write_bytes(bytes(3 * 2**20))
    base = open_base(tmp_path / "knowledge.db", disk_mb=4)
    expected = _fill(base)
    used = sum(part.stat().st_size for part in tmp_path.glob("knowledge.db*") if not part.name.endswith("-shm"))
    assert 0 < used <= 2**20
    delete(base, *sorted(expected)[:5])  # there is room for a delete
    base.writes.undo(context())
    _holds(base, expected)
    base.close()
    model.unlink()
    base = open_base(tmp_path / "knowledge.db", disk_mb=4)
    assert len(_fill(base, "more")) > len(expected)
    base.close()


def test_vectors_kept_for_undo_give_way_before_the_disk_is_full(tmp_path: Path) -> None:
    base = open_base(tmp_path / "k.db", disk_mb=4)
    expected = _fill(base)
    gone = sorted(expected)[: len(expected) // 3]
    delete(base, *gone)
    assert add(base, "fits, because vectors of deleted entries go").added
    base.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"can't mount here: {mounted.stderr.decode()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_loses_nothing_and_service_goes_on(small_disk: Path) -> None:
    path = small_disk / "knowledge.db"
    base = open_base(path)
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * 2**20)
    expected = _fill(base)
    assert len(expected) > 200
    _holds(base, expected)
    assert base.reads.entry(1).text == expected[1]
    with pytest.raises(errors.DiskFull):
        base.database.backup(small_disk / "backup.db")
    assert not list(small_disk.glob("*backup*"))
    ballast.unlink()
    expected |= _fill(base, "more")
    base.close()
    base = open_base(path)
    _holds(base, expected)
    base.close()


def test_a_base_can_not_be_created_on_a_full_disk(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)
    with pytest.raises(errors.DiskFull):
        open_base(small_disk / "knowledge.db")
    assert not (small_disk / "knowledge.db").exists()
    ballast.unlink()
    base = open_base(small_disk / "knowledge.db")
    add(base, "room again")
    base.close()
