"""The filter's programs for each processor, run by a small interpreter of classic BPF: this machine runs only its own.

tests/isolation/test_sandbox.py lets the kernel run the one of this machine, and compares call numbers with its headers.
"""

from __future__ import annotations

import errno
import struct

import pytest

from daemon.supervisor.isolation import seccomp
from daemon.supervisor.isolation.seccomp import ABSENT, CLONE, IOCTL, MACHINES, REFUSED, SOCKET, SOCKETPAIR

ALLOWED, KILLED = "allowed", "killed"
_X32_BIT = 0x40000000
_NEW_USER, _NEW_NET, _SIGCHLD, _THREAD = 0x10000000, 0x40000000, 17, 0x3D0F00  # glibc's pthread_create
# Calls that no Python gets by without: read, write, openat, mmap, futex, execve.
_NEEDED = {"x86_64": (0, 1, 257, 9, 202, 59), "aarch64": (63, 64, 56, 222, 98, 221)}


def verdict(machine: str, number: int, *arguments: int, arch: int | None = None) -> str | int:
    """What the filter says of a call: ALLOWED, KILLED, or the error that the caller gets."""
    words = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<iIQ6Q", number, MACHINES[machine].audit if arch is None else arch, 0, *words)
    returned = _run(seccomp.program(machine), data)
    if returned == 0x7FFF0000:
        return ALLOWED
    return KILLED if returned == 0x80000000 else returned & 0xFFFF


def _run(program: bytes, data: bytes) -> int:
    """linux/filter.h, as far as these programs go; an unknown instruction or a jump past the end is an error."""
    steps = list(struct.iter_unpack("<HBBI", program))
    at = accumulator = 0
    while True:
        code, if_true, if_false, value = steps[at]
        at += 1
        if code == 0x06:  # return
            return int(value)
        if code == 0x20:  # load a word
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif code == 0x54:  # and
            accumulator &= value
        else:
            holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[code]
            at += if_true if holds else if_false


@pytest.mark.parametrize("machine", MACHINES)
def test_what_no_encoder_needs_is_refused(machine: str) -> None:
    column = MACHINES[machine].column
    for calls, error in ((REFUSED, errno.EPERM), (ABSENT, errno.ENOSYS)):
        said = {name: verdict(machine, numbers[column]) for name, numbers in calls.items() if numbers[column]}
        assert set(said.values()) == {error}, said


@pytest.mark.parametrize("machine", MACHINES)
def test_what_every_program_needs_is_allowed(machine: str) -> None:
    column = MACHINES[machine].column
    assert {verdict(machine, number) for number in _NEEDED[machine]} == {ALLOWED}
    named = {number[column] for calls in (REFUSED, ABSENT) for number in calls.values()}
    special = {CLONE[column], SOCKET[column], SOCKETPAIR[column], IOCTL[column]}
    others = set(range(460)) - named - special
    assert {verdict(machine, number) for number in others} == {ALLOWED}


@pytest.mark.parametrize("machine", MACHINES)
def test_threads_and_children_but_no_namespaces(machine: str) -> None:
    clone = CLONE[MACHINES[machine].column]
    assert verdict(machine, clone, _SIGCHLD) == verdict(machine, clone, _THREAD) == ALLOWED
    assert verdict(machine, clone, _SIGCHLD | _NEW_USER) == errno.EPERM
    assert verdict(machine, clone, _SIGCHLD | _NEW_NET) == errno.EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_sockets_of_three_families_and_none_of_their_network_questions(machine: str) -> None:
    column = MACHINES[machine].column
    for call in (SOCKET[column], SOCKETPAIR[column]):
        said = {family: verdict(machine, call, family) for family in range(45)}
        assert {family for family, word in said.items() if word == ALLOWED} == {1, 2, 10}
        assert set(said.values()) == {ALLOWED, errno.EAFNOSUPPORT}
    assert verdict(machine, IOCTL[column], 3, 0x5401) == ALLOWED  # TCGETS
    assert {verdict(machine, IOCTL[column], 3, request) for request in (0x8912, 0x89FF)} == {errno.ENOTTY}


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_of_another_processor_end_the_process(machine: str) -> None:
    """The numbers mean something else there: 32-bit calls on a 64-bit kernel, say."""
    for arch in (0x40000003, 0x40000028, *(other.audit for name, other in MACHINES.items() if name != machine)):
        assert verdict(machine, _NEEDED[machine][0], arch=arch) == KILLED


def test_the_second_abi_of_x86_has_no_calls() -> None:
    assert verdict("x86_64", _X32_BIT | 0) == errno.ENOSYS
