"""Attempts to use up the disk, memory and processes; each stops one step past its own sandbox's limit."""

from __future__ import annotations

import os
from pathlib import Path

from daemon.cli.attacks.probes import Target, probe


@probe
def write_a_huge_file(target: Target) -> str:
    """Make a sparse file: the size counts, and no disk is filled."""
    path = Path(target["own"], "huge")
    try:
        with path.open("wb") as file:
            file.truncate((target["file_mb"] + 1) << 20)
    finally:
        path.unlink(missing_ok=True)
    return f"a file of {target['file_mb'] + 1} MiB"


@probe
def fill_temporary_files(target: Target) -> str:
    folder = Path("/tmp") if target["inside"] else Path(target["own"])  # noqa: S108
    path, block = folder / "fill", bytes(1 << 20)
    try:
        with path.open("wb") as file:
            for _ in range(target["tmp_mb"] + 1):
                file.write(block)
    finally:
        path.unlink(missing_ok=True)
    return f"{target['tmp_mb'] + 1} MiB of temporary files"


@probe
def fork_without_end(target: Target) -> str:
    """Start one process more than the limit; all of them end with this one."""
    reader, writer = os.pipe()
    children: list[int] = []
    try:
        while len(children) <= target["processes"]:
            pid = os.fork()
            if pid == 0:
                os.close(writer)
                os.read(reader, 1)
                os._exit(0)
            children.append(pid)
    finally:
        os.close(writer)
        for pid in children:
            os.waitpid(pid, 0)
    return f"{len(children)} processes"
