"""Two encoders never write to the same base."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from daemon.core.errors import StartRefused
from daemon.encoder.process import data_lock


def test_a_second_encoder_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    first = data_lock.hold(tmp_path)
    with pytest.raises(StartRefused, match="another encoder"):
        data_lock.hold(tmp_path, wait_s=0.05)
    os.close(first)
    os.close(data_lock.hold(tmp_path, wait_s=0.05))


def test_a_link_in_the_locks_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "encoder.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        data_lock.hold(tmp_path)
    assert not (tmp_path / "elsewhere").exists()
