"""The first process of a guest: makes it a machine as a daemon finds one, runs pytest, and switches off."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys
from pathlib import Path

_FINIT_MODULE = 313  # x86-64, which the guest is
_POWER_OFF = 0x4321FEDC  # linux/reboot.h

libc = ctypes.CDLL(None, use_errno=True)


def mount(kind: str, place: str, source: str = "none", options: str = "") -> None:
    Path(place).mkdir(parents=True, exist_ok=True)
    if libc.mount(source.encode(), place.encode(), kind.encode(), 0, options.encode()) != 0:
        raise OSError(ctypes.get_errno(), f"cannot mount {kind} on {place}: {os.strerror(ctypes.get_errno())}")


def load(module: str) -> None:
    path = Path(f"/usr/lib/uml/modules/{platform.release()}/kernel/{module}.ko")
    with path.open("rb") as file:
        if libc.syscall(_FINIT_MODULE, file.fileno(), b"", 0) != 0:
            raise OSError(ctypes.get_errno(), f"cannot load {path}")


def make_machine(report: str) -> None:
    mount("proc", "/proc")
    mount("sysfs", "/sys")
    mount("tmpfs", "/run")
    mount("devpts", "/dev/pts")
    mount("tmpfs", "/dev/shm")  # noqa: S108  (the guest's own)
    mount("hostfs", "/run/report", options=report)
    for module in ("fs/quota/quota_tree", "fs/quota/quota_v2"):
        load(module)
    mount("ext4", "/run/quota", "/dev/ubda", "usrquota")
    mount("cgroup2", "/sys/fs/cgroup")
    delegate(Path("/sys/fs/cgroup"))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def delegate(root: Path) -> None:
    """Delegates a cgroup and enters it, as systemd does for a service with Delegate=yes."""
    (root / "cgroup.subtree_control").write_text("+cpu +memory +pids")
    service = root / "vecward.service"
    service.mkdir()
    os.setxattr(service, "trusted.delegate", b"1")
    (service / "cgroup.procs").write_text(str(os.getpid()))


def run_pytest(checkout: str, arguments: list[str]) -> int:
    Path("/run/t").mkdir()
    os.chdir(checkout)
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/run/t",
        "TMPDIR": "/run/t",
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "VECWARD_GUEST": "1",
    }
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--basetemp=/run/p", *arguments]
    child = os.posix_spawn(sys.executable, command, environment)
    while (ended := os.wait())[0] != child:  # orphans become the first process's, as on any machine
        pass
    return os.waitstatus_to_exitcode(ended[1])


def main() -> None:
    report, checkout, *arguments = sys.argv[1:]
    try:
        make_machine(report)
        code = run_pytest(checkout, arguments)
        Path("/run/report/code").write_text(str(code))
    finally:
        os.sync()
        libc.reboot(ctypes.c_uint(_POWER_OFF))


if __name__ == "__main__":
    main()
