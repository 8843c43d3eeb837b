"""Attempts to become more than a tenant: capabilities, uids, devices, code that others run."""

from __future__ import annotations

import ctypes
import os
import resource
import socket
import stat
import subprocess
import sys
from pathlib import Path

from daemon.cli.attacks.probes import LIBC, Target, checked, first, probe

_CLONE_NEWNS, _CLONE_NEWUSER = 0x20000, 0x10000000  # linux/sched.h


@probe
def open_gpu_node(target: Target) -> str:
    def try_node(path: str) -> str:
        os.close(os.open(path, os.O_RDONLY))
        return f"{path} could be opened"

    return first(try_node, target["gpu_nodes"])


@probe
def make_device_node(target: Target) -> str:
    path = Path(target["own"], "device")
    path.unlink(missing_ok=True)
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.close(os.open(path, os.O_RDONLY))
    path.unlink()
    return "a device node could be made and opened"


@probe
def become_root(_: Target) -> str:
    os.setgroups([0])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    return "uid 0"


@probe
def become_victim(target: Target) -> str:
    os.setresuid(target["uid"], target["uid"], target["uid"])
    return f"uid {target['uid']}"


@probe
def have_capabilities(_: Target) -> str:
    lines = Path("/proc/self/status").read_text().splitlines()
    found = [line for line in lines if line.startswith("Cap") and int(line.split()[1], 16)]
    if not found:
        raise PermissionError("every set of capabilities is empty, the bounding set too")
    return ", ".join(" ".join(line.split()) for line in found)


@probe
def run_setuid_program(target: Target) -> str:
    uid = subprocess.run([target["setuid"], "-u"], capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    if uid != "0":
        raise PermissionError(f"the program ran as uid {uid}")
    return "the program ran as uid 0"


@probe
def make_user_namespace(_: Target) -> str:
    checked(LIBC.unshare(_CLONE_NEWUSER), "unshare")
    return "a user namespace, with every capability in it"


@probe
def mount_something(target: Target) -> str:
    checked(LIBC.unshare(_CLONE_NEWNS), "unshare")
    checked(LIBC.mount(b"none", target["own"].encode(), b"tmpfs", 0, None), "mount")
    return "a file system could be mounted"


@probe
def change_root(target: Target) -> str:
    os.chroot(target["own"])
    return "the root folder could be changed"


@probe
def raise_limits(_: Target) -> str:
    def lift(which: int) -> str:
        resource.setrlimit(which, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        return "a limit less"

    return first(lift, [resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE, resource.RLIMIT_MEMLOCK])


@probe
def change_the_hosts_name(_: Target) -> str:
    socket.sethostname(socket.gethostname())
    return "the host's name could be set"


@probe
def read_kernel_log(_: Target) -> str:
    buffer = ctypes.create_string_buffer(256)
    return f"{checked(LIBC.klogctl(3, buffer, 256), 'syslog')} bytes of the kernel's log"


@probe
def planted_modules(target: Target) -> str:
    """Plant code that Python may find: a package named like ours, sitecustomize, a .pth file."""
    own = Path(target["own"])
    mark = own / "planted-ran"
    mark.unlink(missing_ok=True)
    code = f"open({str(mark)!r}, 'w').close()\n"
    site = own / f".local/lib/python3.{sys.version_info.minor}/site-packages"
    for path in ("daemon/__init__.py", "json.py", "sitecustomize.py", "usercustomize.py"):
        _plant(own / path, code)
    _plant(site / "usercustomize.py", code)
    _plant(site / "evil.pth", f"import os; {code}")
    command = [sys.executable, "-m", "daemon.encoder", "--help"]
    environment = dict(os.environ) if target["inside"] else {"HOME": str(own)}
    subprocess.run(command, cwd=own, env=environment, capture_output=True, check=False)  # noqa: S603
    if not mark.exists():
        raise PermissionError("nothing of it was run")
    return "the planted code was run"


def _plant(path: Path, code: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(code)
