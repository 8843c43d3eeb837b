"""Attacks on other tenants' processes and the daemon's."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from daemon.cli.attacks.probes import LIBC, Target, checked, first, probe, read

_PIDFD_GETFD, _PIDFD_OPEN = 438, 434  # the same on all architectures
_PTRACE_SEIZE = 0x4206


@probe
def see_processes(target: Target) -> str:
    wanted = f"\0--tenant\0{target['tenant']}\0".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        if wanted in (folder / "cmdline").read_bytes():
            return f"process {folder.name} is {target['tenant']}'s encoder"
    raise ProcessLookupError("no process of that tenant in /proc")


def _theirs(target: Target) -> list[int]:
    """Return the host's pids of victim and daemon, but not our own: a pid namespace has small numbers, too."""
    return [pid for pid in target["pids"] if not _is_ours(pid)]


def _is_ours(pid: int) -> bool:
    try:
        return b"attacks.probe_process" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


@probe
def signal_processes(target: Target) -> str:
    def ask(pid: int) -> str:
        os.kill(pid, 0)
        return f"process {pid} could be sent a signal"

    return first(ask, _theirs(target))


@probe
def trace_processes(target: Target) -> str:
    def seize(pid: int) -> str:
        checked(LIBC.ptrace(_PTRACE_SEIZE, pid, None, None), "ptrace")
        return f"process {pid} could be traced"

    return first(seize, _theirs(target))


def _proc(target: Target, name: str) -> str:
    return first(read, [f"/proc/{pid}/{name}" for pid in _theirs(target)])


@probe
def read_environ(target: Target) -> str:
    return _proc(target, "environ")


@probe
def read_maps(target: Target) -> str:
    return _proc(target, "maps")


@probe
def read_memory(target: Target) -> str:
    def peek(pid: int) -> str:
        with Path(f"/proc/{pid}/mem").open("rb") as file:
            file.seek(int(Path(f"/proc/{pid}/maps").read_text().partition("-")[0], 16))
            return f"process {pid}'s memory holds {file.read(8)!r}"

    return first(peek, _theirs(target))


@probe
def read_memory_by_call(target: Target) -> str:
    class Vector(ctypes.Structure):
        _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))

    def peek(pid: int) -> str:
        buffer = ctypes.create_string_buffer(8)
        local = Vector(ctypes.addressof(buffer), 8)
        remote = Vector(target["addresses"][str(pid)], 8)
        checked(LIBC.process_vm_readv(pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0), "process_vm_readv")
        return f"process {pid}'s memory holds {buffer.raw!r}"

    return first(peek, _theirs(target))


@probe
def list_descriptors(target: Target) -> str:
    def count(pid: int) -> str:
        return f"process {pid} has {len(list(Path(f'/proc/{pid}/fd').iterdir()))} descriptors"

    return first(count, _theirs(target))


@probe
def take_descriptors(target: Target) -> str:
    def take(pid: int) -> str:
        pidfd = checked(LIBC.syscall(_PIDFD_OPEN, pid, 0), "pidfd_open")
        checked(LIBC.syscall(_PIDFD_GETFD, pidfd, 2, 0), "pidfd_getfd")
        return f"a descriptor of process {pid} could be taken"

    return first(take, _theirs(target))
