"""The event loop's heartbeat on the progress page, while a call or a commit excuses that nothing is answered.

A long call leaves the interpreter and the loop free; a process that was stopped, or a thread that keeps the
interpreter's lock, does not. An idle encoder is not woken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from daemon.core.encoder_protocol.progress_page import ProgressWriter

EVERY_S = 0.1


class Heartbeat:
    """For the event loop alone."""

    def __init__(self, progress: ProgressWriter) -> None:
        self._progress = progress
        self._running = 0
        self._beats = False

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Around what is handed to another thread and may take long there."""
        self._running += 1
        if not self._beats:
            self._beat()
        try:
            yield
        finally:
            self._running -= 1

    def _beat(self) -> None:
        """What a cancelled request began may outlast it: hence a look at the page, too."""
        self._beats = self._running > 0 or self._progress.long
        self._progress.beat(again=self._beats)
        if self._beats:
            asyncio.get_running_loop().call_later(EVERY_S, self._beat)
