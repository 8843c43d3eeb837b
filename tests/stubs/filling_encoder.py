"""A hostile encoder that uses up the disk, memory or the process table.

It says that it is ready, then does what its tenant's title names. It stops a good step past what its bound allows, so
that what it did can be looked at. Standard library alone.
"""

from __future__ import annotations

import json
import mmap
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

MIB = 1 << 20
FILES = 34  # of 4 MiB each: about twice the bound of `disk_mb: 1`
MEMORY_MB = 160
PROCESSES = 300 + 8 * (os.cpu_count() or 1)
EMPTY_FILES = 14_000  # past its bound on files, too
KEPT: list[object] = []


def option(name: str) -> str:
    return sys.argv[sys.argv.index(f"--{name}") + 1]


def write(path: Path, megabytes: int = 4) -> int:
    """The open descriptor of a new file of so many MiB."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    for _ in range(megabytes):
        os.write(fd, b"x" * MIB)
    return fd


def many_files(folder: Path) -> None:
    for number in range(FILES):
        os.close(write(folder / f"{number}"))


def closed_folder(folder: Path) -> None:
    (folder / "closed").mkdir()
    many_files(folder / "closed")
    (folder / "closed").chmod(0)


def deep_folders(folder: Path) -> None:
    """Make folders so deep that their path is longer than any path may be."""
    os.chdir(folder)
    for _ in range(300):
        Path("deeper-and-deeper").mkdir()
        os.chdir("deeper-and-deeper")
    many_files(Path())


def empty_files(folder: Path) -> None:
    for number in range(EMPTY_FILES):
        (folder / f"{number}").touch()


def deleted_files(folder: Path) -> None:
    for number in range(FILES):
        KEPT.append(write(folder / f"{number}"))
        (folder / f"{number}").unlink()


def deleted_and_mapped(folder: Path) -> None:
    for number in range(FILES):
        fd = write(folder / f"{number}")
        (folder / f"{number}").unlink()
        KEPT.append(mmap.mmap(fd, MIB))
        os.close(fd)


def memory(_: Path) -> None:
    for _ in range(MEMORY_MB):
        KEPT.append(b"x" * MIB)


def processes(_: Path) -> None:
    for number in range(PROCESSES):
        try:
            if os.fork() == 0:
                time.sleep(600)
                os._exit(0)
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror} after {number} processes") from error


WAYS: dict[str, Callable[[Path], None]] = {
    "many files": many_files,
    "a closed folder": closed_folder,
    "deep folders": deep_folders,
    "empty files": empty_files,
    "deleted files": deleted_files,
    "deleted and mapped": deleted_and_mapped,
}
OTHER_WAYS = {"memory": memory, "processes": processes}


def main() -> None:
    with os.fdopen(int(option("config-fd"))) as file:
        way = json.load(file)["title"]["en"]
    control = socket.socket(fileno=int(option("control-fd")))
    ready = {
        "type": "ready",
        "entries": 1,
        "revision": 1,
        "fingerprint": "evil",
        "dimension": 1,
        "device": "cpu",
        "query_ms": 1.0,
    }
    control.send(json.dumps({"type": "warming", "step": "evil"}).encode())
    control.send(json.dumps(ready).encode())
    try:
        {**WAYS, **OTHER_WAYS}[way](Path(option("data")))
        said = "all of it was written"
    except OSError as error:
        said = error.strerror or "?"
    sys.stderr.write(json.dumps({"event": "filled", "way": way, "said": said}) + "\n")
    control.recv(1)  # the daemon says stop, or has gone
    time.sleep(60)


if __name__ == "__main__":
    main()
