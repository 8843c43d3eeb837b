"""The 64 bytes that an encoder's worker and the daemon share (design, section 5).

Its first half is the worker thread's: the call it is in. The second half is for work beside it (commits, reads of
the base), which takes seconds where a base is large, and is no hang. One reader (the daemon). Each field is an aligned
64-bit word, which the platforms vecward runs on write in one piece; a sequence lock catches a read between two of them.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum

PAGE_BYTES = 64
_FIELDS = struct.Struct("<QQQQ")  # sequence, counter, kind, started_ns
_WORK = struct.Struct("<QQQQ")  # sequence, counter, pieces of work that run, moved_ns
_WORK_AT = 32


class CallKind(IntEnum):
    """What the worker is doing. IDLE: nothing; the model is free."""

    IDLE = 0
    SEARCH = 1
    IMPORT = 2
    OTHER = 3


@dataclass(frozen=True)
class Reading:
    """`counter` moves at each beginning and end of a call or of work beside it; `started_ns` is CLOCK_MONOTONIC, the
    host's. `work_moved_ns`: when the work beside the worker last moved; None: there is none."""

    counter: int
    kind: CallKind
    started_ns: int
    work_moved_ns: int | None = None


def create() -> int:
    """A memfd for one encoder; the descriptor is the caller's. Its size is sealed: who reads a page that an encoder
    has cut off ends by SIGBUS, and the reader is the daemon."""
    fd = os.memfd_create("vecward-progress", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, PAGE_BYTES)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return fd


class ProgressWriter:
    """`begin(kind)` and `end()` around every model call are the worker's; `work` and `moved` are for any thread."""

    def __init__(self, fd: int) -> None:
        self._page = mmap.mmap(fd, PAGE_BYTES)
        self._sequence = 0
        self._counter = 0
        self._lock = threading.Lock()
        self._work_moves = 0
        self._working = 0

    @contextmanager
    def work(self) -> Iterator[None]:
        """Around what may take long beside the worker's calls."""
        self._work(1)
        try:
            yield
        finally:
            self._work(-1)

    def moved(self) -> None:
        """Says that work which runs goes on."""
        self._work(0)

    def _work(self, change: int) -> None:
        with self._lock:
            self._working += change
            self._work_moves += 1
            fields = self._work_moves, self._working, time.monotonic_ns()
            _WORK.pack_into(self._page, _WORK_AT, 2 * self._work_moves - 1, *fields)
            _WORK.pack_into(self._page, _WORK_AT, 2 * self._work_moves, *fields)

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
        call, work = _FIELDS.unpack_from(self._page, 0), _WORK.unpack_from(self._page, _WORK_AT)
        if self._is_torn(0, call[0]) or self._is_torn(_WORK_AT, work[0]):
            return self._last
        now = time.monotonic_ns()
        known = CallKind(call[2]) if call[2] <= max(CallKind) else CallKind.OTHER
        moved = min(work[3], now) if work[2] else None
        self._last = Reading(call[1] + work[1], known, min(call[3], now), moved)
        return self._last

    def _is_torn(self, at: int, sequence: int) -> bool:
        return bool(sequence % 2) or _FIELDS.unpack_from(self._page, at)[0] != sequence

    def close(self) -> None:
        self._page.close()
