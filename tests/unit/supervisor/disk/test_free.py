"""Free space: when it is low, and when it has fallen by a step."""

from __future__ import annotations

from pathlib import Path

from daemon.supervisor.disk.free import Free, by_disk


def test_a_disk_is_low_by_space_or_by_files() -> None:
    roomy = Free(1, 900.0, 1000.0, 5_000, 100_000)
    assert not roomy.is_low(500)
    assert roomy.is_low(500, times=2)
    assert roomy.is_low(901)
    assert Free(1, 900.0, 1000.0, 999, 100_000).is_low(500)
    assert not Free(1, 900.0, 1000.0, 0, 0).is_low(500), "a file system without a table of files"


def test_a_fall_by_a_step_is_seen() -> None:
    before = Free(1, 900.0, 1000.0, 50_000, 100_000)
    assert not Free(1, 840.0, 1000.0, 50_000, 100_000).has_fallen(before)
    assert Free(1, 837.0, 1000.0, 50_000, 100_000).has_fallen(before), "a sixteenth of a small disk"
    assert Free(1, 900.0, 1000.0, 47_999, 100_000).has_fallen(before)


def test_folders_of_one_disk_are_looked_at_together(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    ((free, positions),) = by_disk([tmp_path / "a", tmp_path / "missing", tmp_path / "b"]).items()
    assert positions == [0, 2]
    assert 0 < free.megabytes <= free.total_mb
