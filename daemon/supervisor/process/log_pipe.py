"""The standard error of an encoder, read line by line into its tenant's log."""

from __future__ import annotations

import os

from daemon.supervisor.logs.tenant_log import MAX_LINE_BYTES, TenantLog
from daemon.supervisor.process.throttle import Throttle, ThrottledReader

_MAX_BUFFER = 4 * MAX_LINE_BYTES
# Bytes of log that one encoder may keep the event loop busy with, a second and at once. Each line counts as one KiB at
# least: a chunk of the shortest lines takes some 20 ms on a busy machine.
_RATE, _BURST = 2 << 20, 2 << 20
_CHUNK_BYTES = 1024
_LINE_COST = 1024
_LAST_CHUNKS, _LAST_CHUNK_BYTES = 64, 65536  # read at the process's end without a throttle


class LogPipe:
    """The reader of the pipe while it is readable; `drain` takes what is left when the process has ended."""

    def __init__(self, fd: int, log: TenantLog) -> None:
        self._fd = fd
        self._log = log
        self._line = bytearray()
        os.set_blocking(fd, False)
        self._reader = ThrottledReader(fd, self._read, Throttle(_RATE, _BURST))

    def _read(self) -> float:
        """Read a chunk, and return its cost."""
        try:
            chunk = os.read(self._fd, _CHUNK_BYTES)
        except BlockingIOError:
            return 0
        if not chunk:
            self._reader.stop()
            return 0
        self._take(chunk)
        return max(len(chunk), _LINE_COST * chunk.count(b"\n"))

    def _take(self, chunk: bytes) -> None:
        self._line += chunk
        if b"\n" not in chunk and len(self._line) <= _MAX_BUFFER:
            return
        *lines, rest = bytes(self._line).split(b"\n")
        if len(rest) > _MAX_BUFFER:  # an endless line: cut it here, with its mark
            lines, rest = [*lines, rest], b""
        self._line = bytearray(rest)
        for line in lines:
            if line:
                self._log.write_raw(line)

    def stop(self) -> None:
        self._reader.stop()

    def drain(self) -> None:
        """Take what is left in the pipe, within a bound, and the last line though it has no end."""
        for _ in range(_LAST_CHUNKS):
            try:
                chunk = os.read(self._fd, _LAST_CHUNK_BYTES)
            except BlockingIOError:
                break
            if not chunk:
                break
            self._take(chunk)
        if self._line:
            self._log.write_raw(bytes(self._line))
            self._line.clear()
