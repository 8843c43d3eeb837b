"""The size of a tenant's folder, where no quota tells it: counted by a child, since root opens nothing in there.

The child counts no further than a bound, so that folders without end keep nobody busy. Files that were deleted and are
still open have no name to be found by; they are found at the processes that hold them.
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from daemon.core.errors import InternalError
from daemon.core.units import MIB
from daemon.supervisor.disk.bound import Bound
from daemon.supervisor.isolation.data_folders import as_tenant
from daemon.supervisor.isolation.sandbox import Sandbox, write_accounts

TIMEOUT_S = 30.0
ANY = Bound(1 << 40, 200_000)  # for a folder that has no bound of its own: so far it is counted
_BLOCK_BYTES = 512  # of `st_blocks` and find's %b
_MOST_HELD = 200_000
# A file with several names counts once. Names are never printed: what a tenant calls a file is nobody's input.
_COUNT = """
find "$0" -xdev -printf '%b %n %i\\n' | awk -v most="$1" -v files="$2" '
    $2 == 1 || !($3 in seen) { blocks += $1 }
    $2 > 1 { seen[$3] }
    blocks > most || NR > files { exit }
    END { printf "%.0f %d\\n", blocks, NR }'
"""


@dataclass(frozen=True)
class Usage:
    """The size of a folder, counted to a bound, or one step past it."""

    megabytes: float
    files: int

    def passes(self, bound: Bound) -> bool:
        return self.megabytes > bound.megabytes or self.files > bound.files


@dataclass(frozen=True)
class Counted:
    """A folder to count. `uid` is its owner's where it has one of its own (`isolation: strict`).

    `accounts` is a folder for this alone: an encoder's own stands in its sandbox while it runs.
    """

    tenant: str
    data: Path
    accounts: Path
    uid: int | None

    def usage(self, bound: Bound) -> Usage:
        """Count, for TIMEOUT_S at most. Raises InternalError, OSError."""
        most = bound.megabytes * MIB // _BLOCK_BYTES
        command = ["sh", "-c", _COUNT, str(self.data), str(most), str(bound.files)]
        blocks, files = map(int, (self._by_root(command) if self.uid is not None else _plainly(command)).split())
        held = held_open(self.uid, self.data.stat().st_dev) if self.uid is not None else 0
        return Usage((blocks * _BLOCK_BYTES + held) / MIB, files)

    def _by_root(self, command: list[str]) -> str:
        """Count as root with the one right to read what its owner closed; the folder is shown read-only."""
        write_accounts(self.accounts, self.tenant, 0, self.accounts)
        sandbox = Sandbox(0, self.accounts, self.accounts, readable=(self.data,), keep=("CAP_DAC_READ_SEARCH",))
        return as_tenant(sandbox, command, timeout_s=TIMEOUT_S)


def _plainly(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=True, cwd="/")  # noqa: S603
    except subprocess.SubprocessError as error:
        raise InternalError(f"cannot count what lies in {command[3]}: {error}") from error
    return done.stdout.decode()


def held_open(uid: int, device: int) -> int:
    """Bytes in deleted files of this file system that processes of the uid have open or mapped."""
    sizes = {}
    for path in islice(_held(uid), _MOST_HELD):
        with suppress(OSError):  # it was closed meanwhile
            found = os.stat(path)  # noqa: PTH116  (a link of the kernel's, which no tenant can bend)
            if found.st_dev == device and found.st_nlink == 0 and stat.S_ISREG(found.st_mode):
                sizes[found.st_ino] = found.st_blocks * _BLOCK_BYTES
    return sum(sizes.values())


def _held(uid: int) -> Iterator[str]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if _has_uid(process, uid):
                yield from map(str, (process / "fd").iterdir())
                yield from _mapped(process)


def _has_uid(process: Path, uid: int) -> bool:
    """True where a process runs as the uid.

    Its status tells; the owner of /proc/PID is root where a process says that it is not to be dumped.
    """
    status = (process / "status").read_text(errors="replace")
    return any(line.startswith("Uid:") and str(uid) in line.split() for line in status.splitlines())


def _mapped(process: Path) -> Iterator[str]:
    for line in (process / "maps").read_text(errors="replace").splitlines():
        if line.endswith("(deleted)"):
            start, end = line.split()[0].split("-")
            yield f"{process}/map_files/{int(start, 16):x}-{int(end, 16):x}"
