"""Who is hung (design, section 5): the progress page of each encoder against the requests it owes an answer.

`verdict` is a pure function; `HangWatch` applies it ten times a second to the encoders that have requests.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.core.progress_page import CallKind, Reading

if TYPE_CHECKING:
    from daemon.supervisor.tenant import Tenant

LOOK_EVERY_S = 0.1


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
        """A part of a request has been taken."""
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
    """Why the encoder counts as hung at `now` (monotonic seconds), or None."""
    call_age = now - reading.started_ns / 1e9
    if reading.kind is CallKind.SEARCH and call_age > deadlines.call_s:
        return f"a search call has run for {call_age:.1f} s; the deadline is {deadlines.call_s:g} s"
    if reading.kind in (CallKind.IMPORT, CallKind.OTHER) and call_age > deadlines.chunk_s:
        what = "import call" if reading.kind is CallKind.IMPORT else "call of the index"
        return f"an {what} has run for {call_age:.1f} s; its limit is {deadlines.chunk_s:g} s"
    if reading.work_moved_ns is not None:
        still = now - reading.work_moved_ns / 1e9
        late = still > deadlines.chunk_s
        return (
            f"work on the base has not moved for {still:.1f} s; the limit is {deadlines.chunk_s:g} s" if late else None
        )
    if reading.kind is not CallKind.IMPORT and calls.oldest_first and now - calls.moved_at > deadlines.call_s:
        return f"no progress for {now - calls.moved_at:.1f} s with {len(calls.oldest_first)} requests outstanding"
    return None


class HangWatch:
    """One task for all tenants; `live` names those with a ready process."""

    def __init__(self, live: Callable[[], Iterable[Tenant]]) -> None:
        self._live = live

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            for tenant in list(self._live()):
                tenant.look_for_hang()
