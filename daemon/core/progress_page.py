"""The 64 bytes that an encoder's worker and the daemon share (design, section 5).

One writer (the worker thread), one reader (the daemon). Each field is an aligned 64-bit word, which the
platforms vecward runs on write in one piece; the sequence lock catches a read between two of them.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import time
from dataclasses import dataclass
from enum import IntEnum

PAGE_BYTES = 64
_FIELDS = struct.Struct("<QQQQ")  # sequence, counter, kind, started_ns


class CallKind(IntEnum):
    """What the worker is doing. IDLE: nothing; the model is free."""

    IDLE = 0
    SEARCH = 1
    IMPORT = 2
    OTHER = 3


@dataclass(frozen=True)
class Reading:
    """`counter` moves at each beginning and end of a call; `started_ns` is CLOCK_MONOTONIC, the host's."""

    counter: int
    kind: CallKind
    started_ns: int


def create() -> int:
    """A memfd for one encoder; the descriptor is the caller's. Its size is sealed: who reads a page that an encoder
    has cut off ends by SIGBUS, and the reader is the daemon."""
    fd = os.memfd_create("vecward-progress", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, PAGE_BYTES)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return fd


class ProgressWriter:
    """The worker's side: `begin(kind)` and `end()` around every model call."""

    def __init__(self, fd: int) -> None:
        self._page = mmap.mmap(fd, PAGE_BYTES)
        self._sequence = 0
        self._counter = 0

    def begin(self, kind: CallKind) -> None:
        self._write(kind, time.monotonic_ns())

    def end(self) -> None:
        self._write(CallKind.IDLE, 0)

    def _write(self, kind: CallKind, started_ns: int) -> None:
        self._sequence += 2
        self._counter += 1
        _FIELDS.pack_into(self._page, 0, self._sequence - 1, self._counter, kind, started_ns)
        _FIELDS.pack_into(self._page, 0, self._sequence, self._counter, kind, started_ns)


class ProgressReader:
    """The daemon's side. The page is a tenant's: what it says is clamped, never trusted."""

    def __init__(self, fd: int) -> None:
        self._page = mmap.mmap(fd, PAGE_BYTES, prot=mmap.PROT_READ)
        self._last = Reading(0, CallKind.IDLE, 0)

    def read(self) -> Reading:
        sequence, counter, kind, started_ns = _FIELDS.unpack_from(self._page, 0)
        if sequence % 2 or _FIELDS.unpack_from(self._page, 0)[0] != sequence:
            return self._last
        known = CallKind(kind) if kind <= max(CallKind) else CallKind.OTHER
        self._last = Reading(counter, known, min(started_ns, time.monotonic_ns()))
        return self._last

    def close(self) -> None:
        self._page.close()
