"""Child processes that never outlive their parent; TERM ends them, and KILL after that."""

from __future__ import annotations

import asyncio
import ctypes
import os
import pwd
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from daemon.core.errors import InvalidConfig

STOP_S = 25.0  # the daemon drains for 5 s and then walks its encoders' own ladder
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True)
class Part:
    """A command to run; `user` is the Linux user to run it as (None: the caller's own)."""

    name: str
    command: list[str]
    user: str | None = None


@dataclass
class Child:
    """A running part; `ended` is done when its process is."""

    part: Part
    process: asyncio.subprocess.Process
    ended: asyncio.Task[int] = field(init=False)

    def __post_init__(self) -> None:
        self.ended = asyncio.create_task(self.process.wait())

    @property
    def code(self) -> int | None:
        """The exit code as a shell has it: 128 and the number when a signal ended it; None while it runs."""
        code = self.process.returncode
        return code if code is None or code >= 0 else 128 - code

    def signal_group(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return  # gone already


async def spawn(part: Part) -> Child:
    """Start a part in its own process group: a terminal's Ctrl-C reaches the parent alone, which ends its parts."""
    credentials, environment = _credentials(part.user)
    process = await asyncio.create_subprocess_exec(
        *part.command,
        stdin=asyncio.subprocess.DEVNULL,
        process_group=0,
        preexec_fn=_die_with_parent(),
        env=environment,
        **credentials,
    )
    return Child(part, process)


async def stop(children: list[Child], hurry: asyncio.Event) -> None:
    """Send TERM to all, and KILL to whole groups after STOP_S, or as soon as `hurry` is set."""
    left = [child for child in children if child.code is None]
    for child in left:
        child.signal_group(signal.SIGTERM)
    hurried: asyncio.Task[Any] = asyncio.create_task(hurry.wait())
    all_ended: asyncio.Task[Any] = asyncio.create_task(_all_ended(left))
    await asyncio.wait([hurried, all_ended], timeout=STOP_S, return_when=asyncio.FIRST_COMPLETED)
    hurried.cancel()
    for child in children:
        child.signal_group(signal.SIGKILL)  # what is left of the group, whoever started it
    await all_ended


async def _all_ended(children: list[Child]) -> None:
    for child in children:
        await child.ended


def _die_with_parent() -> Callable[[], None]:
    """Return what the child does between fork and exec: ask the kernel for TERM when its parent is gone."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask() -> None:
        if prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM)) != 0 or os.getppid() != parent:
            os._exit(1)  # the parent died before the kernel was asked

    return ask


def _credentials(user: str | None) -> tuple[dict[str, Any], dict[str, str] | None]:
    """Return the arguments and the environment that make a child another user's; nothing unless root asks for it."""
    if user is None or os.geteuid() != 0:
        return {}, None
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise InvalidConfig(
            f"cannot start the console: console.user {user} is no user of this host; create it, or name another",
            field="console.user",
            value=user,
            allowed="a user of this host",
        ) from None
    environment = {**os.environ, "HOME": entry.pw_dir, "USER": user, "LOGNAME": user}
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}, environment
