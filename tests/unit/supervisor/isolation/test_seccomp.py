"""The filter's programs for each processor, run by an interpreter, and compared with what libseccomp makes.

tests/isolation/test_sandbox.py lets the kernel run the one of this machine, and compares call numbers with its headers.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest

from daemon.supervisor.isolation import seccomp
from daemon.supervisor.isolation.seccomp import ABSENT, CLONE, IOCTL, MACHINES, REFUSED, SOCKET, SOCKETPAIR
from tests.support.seccomp import bpf, libseccomp
from tests.support.seccomp.bpf import ALLOWED, KILLED
from tests.support.seccomp.libseccomp import Comparison

_X32_BIT = 0x40000000
_NEW_USER, _NEW_NET, _SIGCHLD, _THREAD = 0x10000000, 0x40000000, 17, 0x3D0F00  # glibc's pthread_create
# Calls that no Python gets by without: read, write, openat, mmap, futex, execve.
_NEEDED = {"x86_64": (0, 1, 257, 9, 202, 59), "aarch64": (63, 64, 56, 222, 98, 221)}


def verdict(machine: str, number: int, *arguments: int, arch: int | None = None) -> str | int:
    """The answer of a machine's filter to a call of that machine's, or of another one's."""
    audit = MACHINES[machine].audit if arch is None else arch
    return bpf.verdict(seccomp.program(machine), audit, number, arguments)


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


# --- compared with libseccomp -------------------------------------------------------------------------


@pytest.fixture(scope="module", params=MACHINES)
def machine_and_theirs(request: pytest.FixtureRequest) -> Iterator[tuple[str, bytes]]:
    """The same rules, written by names of calls and compiled by libseccomp."""
    try:
        theirs = libseccomp.Filter(MACHINES[request.param].audit)
    except OSError as missing:
        pytest.skip(f"{missing}; on Debian: apt-get install libseccomp2")
    for calls, error in ((REFUSED, errno.EPERM), (ABSENT, errno.ENOSYS)):
        for name in calls:
            theirs.refuse(name, error)
    for bit in range(32):
        if 0x7E020080 >> bit & 1:
            theirs.refuse("clone", errno.EPERM, [Comparison(0, libseccomp.MASKED_EQUAL, 1 << bit, 1 << bit)])
    for call in ("socket", "socketpair"):
        theirs.refuse(call, errno.EAFNOSUPPORT, [Comparison(0, libseccomp.LESS, 1, 0)])
        theirs.refuse(call, errno.EAFNOSUPPORT, [Comparison(0, libseccomp.GREATER, 10, 0)])
        for family in range(3, 10):
            theirs.refuse(call, errno.EAFNOSUPPORT, [Comparison(0, libseccomp.EQUAL, family, 0)])
    theirs.refuse("ioctl", errno.ENOTTY, [Comparison(1, libseccomp.MASKED_EQUAL, 0xFFFFFF00, 0x8900)])
    yield request.param, theirs.program()
    theirs.release()


def calls_to_compare(machine: str) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Each number, and for the calls whose arguments count the arguments at and around what is refused."""
    column = MACHINES[machine].column
    for number in (*range(1024), 0x3FFFFFFF):
        yield number, ()
        yield number, (0xFFFFFFFF,) * 6
    for bit in range(32):
        yield CLONE[column], (1 << bit,)
        yield CLONE[column], (_THREAD | 1 << bit,)
    for family in (*range(64), 0xFFFF, 0xFFFFFFFF):
        yield SOCKET[column], (family,)
        yield SOCKETPAIR[column], (family,)
    for request in (*range(0x8800, 0x8B00), 0x5401, 0x5412, 0x80108907, 0xFFFF8900, 0x18900):
        yield IOCTL[column], (3, request)


def test_libseccomp_gives_the_same_verdicts(machine_and_theirs: tuple[str, bytes]) -> None:
    machine, theirs = machine_and_theirs
    ours, audit = seccomp.program(machine), MACHINES[machine].audit
    differences = {
        call: (own, other)
        for call in calls_to_compare(machine)
        if (own := bpf.verdict(ours, audit, *call)) != (other := bpf.verdict(theirs, audit, *call))
    }
    assert differences == {}


def test_libseccomp_ends_calls_of_another_processor_too(machine_and_theirs: tuple[str, bytes]) -> None:
    machine, theirs = machine_and_theirs
    for arch in (0x40000003, 0x40000028, *(other.audit for name, other in MACHINES.items() if name != machine)):
        assert bpf.verdict(theirs, arch, _NEEDED[machine][0]) == verdict(machine, _NEEDED[machine][0], arch=arch)
