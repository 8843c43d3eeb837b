"""The launch of an encoder: what it is given, and the command that starts it.

It inherits its listening socket, the control channel, the progress page, its configuration (a memfd), the seed where
there is one, and nothing else.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from daemon.core.files.plain_file import open_plain
from daemon.supervisor.logs.tenant_log import TenantLog


@dataclass(frozen=True)
class Launch:
    """The means of an encoder.

    Attributes:
        prefix: the command line of the sandbox.
        pass_fds: given away: they are closed here once the process has them.
        program: what Python runs; tests put a hostile encoder here.
        out_of_memory: returns, after the encoder's end, why the kernel ended it, if it did.
    """

    tenant: str
    data: Path
    config_json: bytes
    listener: socket.socket
    log: TenantLog
    seed: Path | None = None
    prefix: Sequence[str] = ()
    environment: dict[str, str] = field(default_factory=dict)
    pass_fds: Sequence[int] = ()
    cwd: str = "/"
    program: Sequence[str] = ("-m", "daemon.encoder")
    out_of_memory: Callable[[], str | None] = lambda: None


def start_process(launch: Launch, control: socket.socket, progress_fd: int) -> subprocess.Popen[bytes]:
    """Start the encoder, or the sandbox that starts it. Raises OSError."""
    with ExitStack() as opened:
        config_fd = _memfd(launch.config_json)
        opened.callback(os.close, config_fd)
        fds = {"--listen-fd": launch.listener.fileno(), "--control-fd": control.fileno()}
        fds |= {"--progress-fd": progress_fd, "--config-fd": config_fd}
        if launch.seed is not None:
            fds["--seed-fd"] = open_plain(launch.seed)
            opened.callback(os.close, fds["--seed-fd"])
        return subprocess.Popen(  # noqa: S603  (the command is ours; tenant names match NAME)
            _command(launch, fds),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=[*fds.values(), *launch.pass_fds],
            env=launch.environment,
            cwd=launch.cwd,
            umask=0o077,  # what a tenant writes is the tenant's alone
            start_new_session=True,  # a terminal's Ctrl-C is for the daemon, which then stops encoders in order
        )


def _command(launch: Launch, fds: dict[str, int]) -> list[str]:
    options = {"--tenant": launch.tenant, "--data": launch.data, **fds}
    given = (str(part) for option in options.items() for part in option)
    return [*launch.prefix, sys.executable, *launch.program, *given]


def _memfd(content: bytes) -> int:
    fd = os.memfd_create("vecward-config", os.MFD_CLOEXEC)
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
