"""A second process of a tenant's, beside its encoder, with the same uid, sandbox and limits (bench, recovery,
re-embedding).

It tells what it finds in JSON lines on standard output (a salvaged base follows the first one); standard input is its
lifeline. It is the tenant's as much as an encoder is: what it says is bounded and checked by whoever asked.
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
from typing import IO

import psutil

from daemon.core.errors import InternalError
from daemon.supervisor.logs.tenant_log import TenantLog

log = logging.getLogger(__name__)

MAX_LINE_BYTES = 64 * 1024
MAX_LINES = 10_000
_GRACE_S = 3.0  # of the five that cancelling an operation waits
_LOG_CHUNK_BYTES = 64 * 1024
_CHUNK_BYTES = 256 * 1024
_MAX_LOG_BYTES = 1 << 20


@dataclass(frozen=True)
class Surroundings:
    """What the launcher gives: the sandbox's command line, environment, and descriptors that are closed here."""

    tenant: str
    config_json: bytes
    log: TenantLog
    prefix: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    pass_fds: Sequence[int] = ()


class Aside:
    """Use: ``async with running(…) as aside: async for line in aside.lines(): …``."""

    def __init__(self, around: Surroundings, module: str, arguments: Sequence[str]) -> None:
        self.tenant = around.tenant
        self._log = around.log
        config_fd = os.memfd_create("vecward-config", os.MFD_CLOEXEC)
        os.write(config_fd, around.config_json)
        try:
            self._process = subprocess.Popen(  # noqa: S603  (the command is ours)
                [*around.prefix, sys.executable, "-m", module, *arguments, "--config-fd", str(config_fd)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                pass_fds=[config_fd, *around.pass_fds], env=dict(around.environment), cwd="/", umask=0o077,
                start_new_session=True,
            )  # fmt: skip
        finally:
            for fd in (config_fd, *around.pass_fds):
                os.close(fd)
        assert self._process.stderr is not None
        self._stderr = asyncio.ensure_future(asyncio.to_thread(_beginning, self._process.stderr))

    def pids(self) -> list[int]:
        """Its own processes, as the host sees them."""
        try:
            root = psutil.Process(self._process.pid)
            return [root.pid, *(child.pid for child in root.children(recursive=True))]
        except psutil.NoSuchProcess:
            return []

    async def lines(self) -> AsyncIterator[bytes]:
        """What it tells, to its end. Raises InternalError when it fails, or tells too much."""
        assert self._process.stdout is not None
        reader = await _reader(self._process.stdout)
        count = 0
        while line := await _bounded_line(reader):
            count += 1
            if count > MAX_LINES:
                raise InternalError("cannot go on: the tenant's process says too much")
            yield line
            await asyncio.sleep(0)  # a flood of lines leaves others their turn
        await self._check_end()

    async def _check_end(self) -> None:
        code = await asyncio.to_thread(self._process.wait)
        if code != 0:
            raise InternalError(f"cannot finish: the tenant's process ended with {code}; see the tenant's log")

    async def stream(self) -> AsyncIterator[bytes]:
        """The first line that it tells, then the bytes that follow, to its end. Raises InternalError."""
        assert self._process.stdout is not None
        reader = await _reader(self._process.stdout)
        yield await _bounded_line(reader)
        while chunk := await reader.read(_CHUNK_BYTES):
            yield chunk
        await self._check_end()

    def say(self, word: bytes) -> None:
        """A word on its lifeline; shorter than a pipe's buffer. To one that has ended it says nothing."""
        assert self._process.stdin is not None
        try:
            os.write(self._process.stdin.fileno(), word)
        except BrokenPipeError:
            log.info("aside-has-ended", extra={"tenant": self.tenant})

    async def end(self) -> None:
        """Closes its lifeline, and kills what is not gone a moment later."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        ended = asyncio.create_task(asyncio.to_thread(self._process.wait))
        await asyncio.wait([ended], timeout=_GRACE_S)
        if not ended.done():
            self._process.kill()  # bubblewrap takes all that is in the sandbox along; else PDEATHSIG does
        await ended
        for line in (await self._stderr).splitlines():
            if line:
                self._log.write_raw(line)


@asynccontextmanager
async def running(around: Surroundings, module: str, arguments: Sequence[str]) -> AsyncIterator[Aside]:
    aside = Aside(around, module, arguments)
    try:
        yield aside
    finally:
        await asyncio.shield(aside.end())


def _beginning(pipe: IO[bytes]) -> bytes:
    """What stands in the pipe up to its end; beyond a bound it is read and dropped."""
    kept = bytearray()
    while chunk := os.read(pipe.fileno(), _LOG_CHUNK_BYTES):
        kept += chunk[: max(0, _MAX_LOG_BYTES - len(kept))]
    pipe.close()
    return bytes(kept)


async def _reader(pipe: IO[bytes]) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=MAX_LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader


async def _bounded_line(reader: asyncio.StreamReader) -> bytes:
    """The next line; empty at the end. Raises InternalError for one without an end."""
    try:
        return await reader.readline()
    except ValueError as error:
        raise InternalError("cannot go on: the tenant's process says a line without an end") from error
