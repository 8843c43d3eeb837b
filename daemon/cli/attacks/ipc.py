"""Attacks by shared memory, semaphores, queues and keyrings, open to all on the host: namespaces alone protect."""

from __future__ import annotations

import os

from daemon.cli.attacks.probes import LIBC, Target, checked, probe, read

_KEYCTL = {"x86_64": 250, "aarch64": 219}


@probe
def posix_shared_memory(target: Target) -> str:
    return read(f"/dev/shm/{target['shm']}")  # noqa: S108


@probe
def system_v_shared_memory(target: Target) -> str:
    return f"segment {checked(LIBC.shmget(target['key'], 0, 0), 'shmget')}"


@probe
def system_v_semaphore(target: Target) -> str:
    return f"semaphore {checked(LIBC.semget(target['key'], 0, 0), 'semget')}"


@probe
def system_v_message_queue(target: Target) -> str:
    return f"queue {checked(LIBC.msgget(target['key'], 0), 'msgget')}"


@probe
def posix_message_queue(target: Target) -> str:
    return f"queue {checked(LIBC.mq_open(target['queue'].encode(), os.O_RDONLY), 'mq_open')}"


@probe
def keyring(_: Target) -> str:
    """The session keyring is inherited, and no namespace holds it."""
    number = _KEYCTL[os.uname().machine]
    return f"keyring {checked(LIBC.syscall(number, 0, -3, 0), 'keyctl')}"
