"""The 128 bytes that an encoder and the daemon share (daemon/README.md, "Deadline and progress").

The encoder writes three groups of four words, and the daemon reads them. One group is the worker thread's: the call
that it is in. One is of work beside it (commits, reads of the base), which takes seconds where a base is large, and is
no hang. One is the event loop's: it beats while there is such work or a long call, which tells a process that works
from one that stands still. Each word is aligned, and written in one piece on the platforms vecward runs on; each group
begins with a sequence lock, which catches a read between two of its words.
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

PAGE_BYTES = 128
_GROUP = struct.Struct("<QQQQ")  # sequence, counter, then two words
_CALL_AT = 0  # kind, started_ns
_WORK_AT = 32  # pieces of work that run, moved_ns
_BEAT_AT = 64  # 1 while it beats, beat_ns

Group = tuple[int, int, int]


class CallKind(IntEnum):
    """The call that the worker thread is in. IDLE: none; the model is free."""

    IDLE = 0
    SEARCH = 1
    IMPORT = 2
    OTHER = 3


@dataclass(frozen=True)
class Reading:
    """The page at one moment; times are CLOCK_MONOTONIC's, which is the host's.

    `counter` moves at each beginning and end of a call or of work beside it. `work_moved_ns` is the time at which the
    work beside the worker last moved; None: there is none. `beat_ns` is the last time at which the event loop ran;
    None: there is nothing that it would beat for.
    """

    counter: int
    kind: CallKind
    started_ns: int
    work_moved_ns: int | None = None
    beat_ns: int | None = None


def create() -> int:
    """Make a page for one encoder, as a memfd; the descriptor is the caller's.

    Its size is sealed: a reader of a page that an encoder has cut off ends by SIGBUS, and the reader is the daemon.
    """
    fd = os.memfd_create("vecward-progress", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, PAGE_BYTES)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return fd


class _Writer:
    """The writer of one group; one thread at a time."""

    def __init__(self, page: mmap.mmap, at: int) -> None:
        self._page = page
        self._at = at
        self._moves = 0

    def write(self, first: int, second: int) -> None:
        """Write both words; each write moves the group's counter by one."""
        self._moves += 1
        _GROUP.pack_into(self._page, self._at, 2 * self._moves - 1, self._moves, first, second)
        _GROUP.pack_into(self._page, self._at, 2 * self._moves, self._moves, first, second)


class ProgressWriter:
    """The encoder's side.

    The worker thread calls `begin` and `end` around each model call, the event loop calls `beat`; `work` and `moved`
    are for any thread.
    """

    def __init__(self, fd: int) -> None:
        page = mmap.mmap(fd, PAGE_BYTES)
        self._calls, self._works, self._beats = (_Writer(page, at) for at in (_CALL_AT, _WORK_AT, _BEAT_AT))
        self._lock = threading.Lock()
        self._working = 0
        self._kind = CallKind.IDLE

    @property
    def long(self) -> bool:
        """True while something goes on that may take longer than a search."""
        return self._working > 0 or self._kind is CallKind.IMPORT

    @contextmanager
    def work(self) -> Iterator[None]:
        """Count a piece of work that may take long beside the worker's calls."""
        self._work(1)
        try:
            yield
        finally:
            self._work(-1)

    def moved(self) -> None:
        """Say that work which runs goes on."""
        self._work(0)

    def _work(self, change: int) -> None:
        with self._lock:
            self._working += change
            self._works.write(self._working, time.monotonic_ns())

    def begin(self, kind: CallKind) -> None:
        """Say that a model call begins."""
        self._kind = kind
        self._calls.write(kind, time.monotonic_ns())

    def end(self) -> None:
        """Say that the model call has ended."""
        self._kind = CallKind.IDLE
        self._calls.write(CallKind.IDLE, 0)

    def beat(self, *, again: bool) -> None:
        """Say that the event loop runs.

        `again`: another beat follows; else the event loop may be silent from now on.
        """
        self._beats.write(again, time.monotonic_ns())


class ProgressReader:
    """The daemon's side; the page is a tenant's, so what it says is clamped, never trusted."""

    def __init__(self, fd: int) -> None:
        self._page = mmap.mmap(fd, PAGE_BYTES, prot=mmap.PROT_READ)
        self._last = Reading(0, CallKind.IDLE, 0)

    def read(self) -> Reading:
        """The page now; while it is being written, as it was read last."""
        call, work, beat = self._group(_CALL_AT), self._group(_WORK_AT), self._group(_BEAT_AT)
        if call is None or work is None or beat is None:
            return self._last
        now = time.monotonic_ns()
        known = CallKind(call[1]) if call[1] <= max(CallKind) else CallKind.OTHER
        moved = min(work[2], now) if work[1] else None
        beaten = min(beat[2], now) if beat[1] else None
        self._last = Reading(call[0] + work[0], known, min(call[2], now), moved, beaten)
        return self._last

    def _group(self, at: int) -> Group | None:
        """The words of a group behind its sequence; None while it is being written."""
        sequence, *words = _GROUP.unpack_from(self._page, at)
        if sequence % 2 or _GROUP.unpack_from(self._page, at)[0] != sequence:
            return None
        counter, first, second = words
        return counter, first, second

    def close(self) -> None:
        self._page.close()
