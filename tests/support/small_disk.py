"""A file system of a few megabytes, to be filled; needs root."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class SmallDisk:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Fills the disk to the last block."""
        with contextlib.suppress(OSError), self._ballast.open("ab", buffering=0) as file:
            for size in (1 << 20, 4096):
                with contextlib.suppress(OSError):
                    while file.write(b"\0" * size) == size:
                        pass

    def make_room(self) -> None:
        self._ballast.unlink()


@contextmanager
def mounted(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Skips the test where nothing can be mounted."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"can't mount here: {done.stderr.decode()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def small_root(megabytes: int) -> Iterator[SmallDisk]:
    """A small disk for the whole root of a daemon, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="vw-"))
    with mounted(folder, megabytes) as disk:
        yield disk
    folder.rmdir()
