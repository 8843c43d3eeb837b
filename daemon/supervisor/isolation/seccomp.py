"""A small system call filter for sandboxes: it refuses what no encoder needs and what namespaces do not cover.

Keyrings, AF_VSOCK and the network ioctls of an inherited socket reach past every namespace; user namespaces, ptrace,
bpf and io_uring are where kernels break. Everything else is allowed: a filter that lists what PyTorch may call
would break with its next version. Classic BPF, written out here in 50 lines (seccomp(2), linux/filter.h,
linux/seccomp.h): libseccomp has no Python package that pip installs; a test compares the verdicts with its own.
"""

from __future__ import annotations

import errno
import os
import platform
import struct
from dataclasses import dataclass

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NR_AT, _ARCH_AT, _ARG0_AT, _ARG1_AT = 0, 4, 16, 24  # struct seccomp_data; low words, little endian
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_X32_BIT = 0x40000000  # x86-64's second ABI, with numbers of its own

_CLONE_NAMESPACES = 0x7E020080  # CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET,TIME} (linux/sched.h)
_FAMILIES = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6; not: AF_VSOCK, AF_PACKET, AF_NETLINK, AF_ALG, …
_NETWORK_IOCTLS = 0x8900  # SIOC*: an inherited socket answers them from the host's network namespace


@dataclass(frozen=True)
class Machine:
    """One architecture: `audit` is its AUDIT_ARCH, `column` its place in the tables below."""

    audit: int
    column: int


MACHINES = {"x86_64": Machine(0xC000003E, 0), "aarch64": Machine(0xC00000B7, 1)}

# (x86_64, aarch64); None: the architecture has no such call. From asm/unistd_64.h and asm-generic/unistd.h.
REFUSED: dict[str, tuple[int | None, int | None]] = {
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "setns": (308, 268),
    "unshare": (272, 97),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "syslog": (103, 116),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "lookup_dcookie": (212, 18),
    "vhangup": (153, 58),
    "fanotify_init": (300, 262),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
}
# ENOSYS: their callers (libuv, glibc) know how to do without.
ABSENT: dict[str, tuple[int | None, int | None]] = {
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "clone3": (435, 435),  # its flags lie behind a pointer, where a filter can't look; clone's do not
}
CLONE, SOCKET, SOCKETPAIR, IOCTL = (56, 220), (41, 198), (53, 199), (16, 29)


def supported() -> bool:
    """True where this machine's architecture has a table here; without one there is no filter."""
    return platform.machine() in MACHINES


def program(machine: str | None = None) -> bytes:
    """The filter, as bubblewrap's --seccomp takes it. Raises KeyError for an architecture without a table."""
    arch = MACHINES[machine or platform.machine()]
    steps = [_step(_LOAD, _ARCH_AT), _step(_EQUAL, arch.audit, 1, 0), _step(_RETURN, _KILL), _step(_LOAD, _NR_AT)]
    if arch.column == 0:
        steps += [_step(_AT_LEAST, _X32_BIT, 0, 1), _refuse(errno.ENOSYS)]
    for calls, error in ((REFUSED, errno.EPERM), (ABSENT, errno.ENOSYS)):
        for numbers in calls.values():
            number = numbers[arch.column]
            if number is not None:
                steps += [_step(_EQUAL, number, 0, 1), _refuse(error)]
    steps += _on_clone(CLONE[arch.column])
    for numbers in (SOCKET, SOCKETPAIR):
        steps += _on_socket(numbers[arch.column])
    steps += _on_ioctl(IOCTL[arch.column])
    return b"".join([*steps, _step(_RETURN, _ALLOW)])


def memfd() -> int:
    """The filter in a descriptor, which is the caller's; one for each start, since reading moves its position."""
    fd = os.memfd_create("vecward-seccomp", os.MFD_CLOEXEC)
    os.write(fd, program())
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)


def _refuse(error: int) -> bytes:
    return _step(_RETURN, _ERRNO | error)


def _when(number: int, body: list[bytes]) -> list[bytes]:
    """The instructions `body`, for this call alone.

    It ends in a return, since it loads another word than the call's number.
    """
    return [_step(_EQUAL, number, 0, len(body)), *body]


def _on_clone(number: int) -> list[bytes]:
    body = [_step(_LOAD, _ARG0_AT), _step(_ANY_BIT, _CLONE_NAMESPACES, 0, 1), _refuse(errno.EPERM)]
    return _when(number, [*body, _step(_RETURN, _ALLOW)])


def _on_socket(number: int) -> list[bytes]:
    allowed = [_step(_EQUAL, family, len(_FAMILIES) - at, 0) for at, family in enumerate(_FAMILIES)]
    return _when(number, [_step(_LOAD, _ARG0_AT), *allowed, _refuse(errno.EAFNOSUPPORT), _step(_RETURN, _ALLOW)])


def _on_ioctl(number: int) -> list[bytes]:
    body = [_step(_LOAD, _ARG1_AT), _step(_AND, 0xFFFFFF00), _step(_EQUAL, _NETWORK_IOCTLS, 0, 1)]
    return _when(number, [*body, _refuse(errno.ENOTTY), _step(_RETURN, _ALLOW)])
