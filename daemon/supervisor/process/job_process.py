"""A job process: started, bounded, logged and ended here, whatever its job is.

It runs beside a tenant's encoder with the same uid, sandbox and limits, and speaks the protocol of
`core/encoder_protocol/job.py`. It is the tenant's as much as an encoder is: what it says is bounded and checked.
"""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypeVar

import psutil
from pydantic import TypeAdapter, ValidationError

from daemon.core.encoder_protocol.job import GO, MAX_LINE_BYTES, MAX_LINES, Problem
from daemon.core.errors import Conflict, DiskFull, InternalError, StartRefused, VecwardError
from daemon.core.units import MIB
from daemon.supervisor.logs.tenant_log import TenantLog

log = logging.getLogger(__name__)

_GRACE_S = 3.0  # of the five that cancelling an operation waits
_CHUNK_BYTES = 256 * 1024
_LOG_CHUNK_BYTES = 64 * 1024
_MAX_LOG_BYTES = MIB

Message = TypeVar("Message")
Kinds = Mapping[str, type[VecwardError]]

# Errors that a tenant's process may name to the daemon's callers; any other one is an InternalError.
BELIEVED: Kinds = {error.kind: error for error in (Conflict, DiskFull, StartRefused)}


@dataclass(frozen=True)
class JobLaunch:
    """The means of a job process, from the launcher: sandbox prefix, environment, configuration, log.

    `pass_fds` are closed here once the process has them. Without a `log` its standard error is this process's own.
    """

    tenant: str
    data: Path
    config_json: bytes
    log: TenantLog | None
    prefix: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    pass_fds: Sequence[int] = ()
    believed: Kinds = field(default_factory=lambda: BELIEVED)


class JobProcess:
    """A job process that runs: ``async with running(…) as job: async for message in job.messages(…): …``."""

    def __init__(self, launch: JobLaunch, module: str, arguments: Sequence[str]) -> None:
        self.tenant = launch.tenant
        self._launch = launch
        self._process = _spawn(launch, module, arguments)
        self._see = "what it wrote is above" if launch.log is None else "see the tenant's log"
        self._reader: asyncio.StreamReader | None = None
        self._output: asyncio.BaseTransport | None = None
        errors = self._process.stderr
        self._stderr = None if errors is None else asyncio.ensure_future(asyncio.to_thread(_beginning, errors))

    def pids(self) -> list[int]:
        """The processes of the job, as the host sees them."""
        try:
            root = psutil.Process(self._process.pid)
            return [root.pid, *(child.pid for child in root.children(recursive=True))]
        except psutil.NoSuchProcess:
            return []

    async def messages(self, kind: TypeAdapter[Message]) -> AsyncIterator[Message]:
        """Messages to the end of the process.

        Raises the error that its `Problem` names, or InternalError when it fails, says too much, or says anything else.
        """
        count = 0
        while line := await self._line():
            count += 1
            if count > MAX_LINES:
                raise InternalError(f"cannot go on: the tenant's process sent more than {MAX_LINES:,} messages")
            yield self._read(kind, line)
            await asyncio.sleep(0)  # a flood of messages leaves others their turn
        await self._check_end()

    async def message(self, kind: TypeAdapter[Message]) -> Message:
        """The next message. Raises as `messages` does, and InternalError when there is none."""
        line = await self._line()
        if not line:
            await self._check_end()
            raise InternalError(f"cannot finish: the tenant's process ended before it answered; {self._see}")
        return self._read(kind, line)

    async def rest(self) -> AsyncIterator[bytes]:
        """The bytes that follow the messages, to the end of the process. Raises InternalError when it fails."""
        reader = await self._open_output()
        while chunk := await reader.read(_CHUNK_BYTES):
            yield chunk
        await self._check_end()

    def go(self) -> None:
        """Let a process go on that waits for it; one that has ended is told nothing."""
        assert self._process.stdin is not None
        try:
            os.write(self._process.stdin.fileno(), GO)
        except BrokenPipeError:
            log.info("job-has-ended", extra={"tenant": self.tenant})

    async def end(self) -> None:
        """Close the lifeline, and kill the process if it is not gone a moment later."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        ended = asyncio.create_task(asyncio.to_thread(self._process.wait))
        await asyncio.wait([ended], timeout=_GRACE_S)
        if not ended.done():
            self._process.kill()  # bubblewrap takes all that is in the sandbox along; else PDEATHSIG does
        await ended
        self._close_output()
        await self._write_log()

    async def _write_log(self) -> None:
        if self._stderr is None or self._launch.log is None:
            return
        for line in (await self._stderr).splitlines():
            if line:
                self._launch.log.write_raw(line)

    async def _open_output(self) -> asyncio.StreamReader:
        if self._reader is None:
            assert self._process.stdout is not None
            reader = self._reader = asyncio.StreamReader(limit=MAX_LINE_BYTES)
            self._output, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), self._process.stdout
            )
        return self._reader

    def _close_output(self) -> None:
        """Drop what the process said and nobody read."""
        if self._output is not None:
            self._output.close()
        elif self._process.stdout is not None:
            self._process.stdout.close()

    async def _line(self) -> bytes:
        """The next line; empty at the end. Raises InternalError for one without an end."""
        reader = await self._open_output()
        try:
            return await reader.readline()
        except ValueError as error:
            raise InternalError(
                f"cannot go on: the tenant's process sent a line of more than {MAX_LINE_BYTES:,} bytes"
            ) from error

    def _read(self, kind: TypeAdapter[Message], line: bytes) -> Message:
        try:
            return kind.validate_json(line)
        except ValidationError as error:
            raise self._problem(line) from error

    def _problem(self, line: bytes) -> VecwardError:
        try:
            problem = Problem.model_validate_json(line)
        except ValidationError:
            return InternalError(f"cannot go on: the tenant's process says what no such job says; {self._see}")
        return self._launch.believed.get(problem.kind, InternalError)(problem.reason)

    async def _check_end(self) -> None:
        code = await asyncio.to_thread(self._process.wait)
        if code != 0:
            raise InternalError(f"cannot finish: the tenant's process ended with {code}; {self._see}")


@asynccontextmanager
async def running(launch: JobLaunch, module: str, arguments: Sequence[str]) -> AsyncIterator[JobProcess]:
    """A job process that has ended when the block is left."""
    job = JobProcess(launch, module, arguments)
    try:
        yield job
    finally:
        await asyncio.shield(job.end())


def _spawn(launch: JobLaunch, module: str, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    config_fd = os.memfd_create("vecward-config", os.MFD_CLOEXEC)
    os.write(config_fd, launch.config_json)
    options = ["--tenant", launch.tenant, "--data", str(launch.data), "--config-fd", str(config_fd)]
    try:
        return subprocess.Popen(  # noqa: S603  (the command is ours)
            [*launch.prefix, sys.executable, "-m", module, *options, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if launch.log is None else subprocess.PIPE,
            pass_fds=[config_fd, *launch.pass_fds],
            env=dict(launch.environment),
            cwd="/",
            umask=0o077,
            start_new_session=True,
        )
    finally:
        for fd in (config_fd, *launch.pass_fds):
            os.close(fd)


def _beginning(pipe: IO[bytes]) -> bytes:
    """The beginning of what is written into the pipe, up to a bound; the rest is read and dropped."""
    kept = bytearray()
    while chunk := os.read(pipe.fileno(), _LOG_CHUNK_BYTES):
        kept += chunk[: max(0, _MAX_LOG_BYTES - len(kept))]
    pipe.close()
    return bytes(kept)
