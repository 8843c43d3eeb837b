"""A second Linux on this machine, with what its own kernel may lack: disk quotas, delegated cgroups.

User-Mode Linux (Debian: user-mode-linux) is a kernel that runs as a process. The guest sees the host's file system
read-only and writes to memory; nothing of the host changes.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
IN_GUEST = "VECWARD_GUEST"  # set in there
QUOTA_FOLDER = Path("/run/quota")  # an ext4 file system in there, with quotas by uid in force
_PROGRAM = "linux.uml"
_MEMORY_MB = 1536
_DISK_MB = 256
_TIMEOUT_S = 300


@dataclass(frozen=True)
class Ended:
    """The outcome of a run; `code` is pytest's; None when the guest did not get so far."""

    code: int | None
    output: str


def missing() -> str | None:
    """The reason why no guest can run here, or None."""
    if os.geteuid() != 0:
        return "a guest that reads everything needs root"
    if shutil.which(_PROGRAM) is None:
        return "install user-mode-linux"
    if shutil.which("mkfs.ext4") is None:
        return "install e2fsprogs"
    return None


def pytest_in_guest(*arguments: str) -> Ended:
    """Runs pytest on this checkout in a guest of its own."""
    with tempfile.TemporaryDirectory(prefix="vw-guest-") as folder:
        return _boot(Path(folder), arguments)


def _boot(folder: Path, arguments: tuple[str, ...]) -> Ended:
    disk, report = folder / "disk", folder / "report"
    report.mkdir()
    _make_disk(disk)
    init = folder / "init"
    command = [sys.executable, "-P", str(Path(__file__).with_name("init.py")), str(report), str(CHECKOUT), *arguments]
    init.write_text("#!/bin/sh\nexec " + " ".join(f"'{part}'" for part in command) + "\n")
    init.chmod(0o755)
    options = [f"mem={_MEMORY_MB}M", "rootfstype=hostfs", "rootflags=/", "ro", f"init={init}", f"ubd0={disk}", "quiet"]
    output = _run([_PROGRAM, *options, "con=null", "con0=null,fd:1"], folder)
    code = report / "code"
    return Ended(int(code.read_text()) if code.exists() else None, output)


def _run(command: list[str], folder: Path) -> str:
    """Runs the guest, whose memory is a file: in /dev/shm where there is room for it, else on the disk."""
    shared = Path("/dev/shm")  # noqa: S108
    roomy = shared.is_dir() and shutil.disk_usage(shared).free > _MEMORY_MB << 20
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(shared if roomy else folder)}
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    ) as guest:
        try:
            output, _ = guest.communicate(timeout=_TIMEOUT_S)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(guest.pid, signal.SIGKILL)  # each of its processes is one of ours
    return output.decode("utf-8", "replace")


def _make_disk(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(_DISK_MB << 20)
    command = ["mkfs.ext4", "-q", "-O", "quota", "-E", "quotatype=usrquota,lazy_itable_init=0", str(path)]
    subprocess.run(command, check=True)
