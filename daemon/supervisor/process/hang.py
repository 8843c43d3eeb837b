"""The verdict whether an encoder is hung (daemon/README.md, "Deadline and progress").

It compares the encoder's progress page with the requests that it owes an answer; `health/hang_watch.py` applies it ten
times a second.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from daemon.core.encoder_protocol.progress_page import CallKind, Reading
from daemon.core.units import counted

# Reading a large body, or a garbage collection, keeps the interpreter's lock for up to a second, and a busy machine
# makes that longer: a deadline below this is for searches alone.
LEAST_SILENCE_S = 2.0


@dataclass
class Calls:
    """The requests that an encoder owes an answer; streams and long polls are not among them."""

    oldest_first: dict[int, float]  # number → monotonic seconds when its body had been sent
    moved_at: float  # monotonic seconds of the last sign of life: counter, answer
    counter: int = 0
    _next: int = 0

    @classmethod
    def none(cls) -> Calls:
        return cls({}, time.monotonic())

    @property
    def oldest(self) -> float:
        """Return when the request that has waited longest was sent; there must be one."""
        return next(iter(self.oldest_first.values()))

    def begin(self) -> int:
        now = time.monotonic()
        if not self.oldest_first:
            self.moved_at = now
        self._next += 1
        self.oldest_first[self._next] = now
        return self._next

    def end(self, number: int) -> None:
        if self.oldest_first.pop(number, None) is not None:
            self.moved_at = time.monotonic()

    def moved(self) -> None:
        """Note that the encoder has taken a part of a request."""
        self.moved_at = time.monotonic()

    def saw(self, counter: int) -> None:
        if counter != self.counter:
            self.counter = counter
            self.moved_at = time.monotonic()


@dataclass(frozen=True)
class Deadlines:
    call_s: float
    chunk_s: float


def verdict(reading: Reading, calls: Calls, deadlines: Deadlines, now: float) -> str | None:
    """Return why the encoder counts as hung at `now` (monotonic seconds), or None."""
    silent = _no_progress if reading.work_moved_ns is None else _long_work
    return (
        _long_call(reading, deadlines, now)
        or _no_beat(reading, calls, deadlines, now)
        or silent(reading, calls, deadlines, now)
    )


def _long_call(reading: Reading, deadlines: Deadlines, now: float) -> str | None:
    age = now - reading.started_ns / 1e9
    if reading.kind is CallKind.SEARCH and age > deadlines.call_s:
        return f"a search call has run for {age:.1f} s; the deadline is {deadlines.call_s:g} s"
    if reading.kind in (CallKind.IMPORT, CallKind.OTHER) and age > deadlines.chunk_s:
        what = "an import call" if reading.kind is CallKind.IMPORT else "a call of the index"
        return f"{what} has run for {age:.1f} s; its limit is {deadlines.chunk_s:g} s"
    return None


def _no_beat(reading: Reading, calls: Calls, deadlines: Deadlines, now: float) -> str | None:
    """Look at the event loop, which no call of the model stops; SIGSTOP and a held interpreter lock do."""
    if reading.beat_ns is None or not calls.oldest_first:
        return None
    silent = now - max(reading.beat_ns / 1e9, calls.oldest)
    if silent <= max(deadlines.call_s, LEAST_SILENCE_S):
        return None
    return (
        f"its event loop has not run for {silent:.1f} s with {counted(len(calls.oldest_first), 'request')} outstanding"
    )


def _long_work(reading: Reading, _: Calls, deadlines: Deadlines, now: float) -> str | None:
    still = now - (reading.work_moved_ns or 0) / 1e9
    if still <= deadlines.chunk_s:
        return None
    return f"work on the base has not moved for {still:.1f} s; the limit is {deadlines.chunk_s:g} s"


def _no_progress(reading: Reading, calls: Calls, deadlines: Deadlines, now: float) -> str | None:
    still = now - calls.moved_at
    if reading.kind is CallKind.IMPORT or not calls.oldest_first or still <= deadlines.call_s:
        return None
    return f"no progress for {still:.1f} s with {counted(len(calls.oldest_first), 'request')} outstanding"
