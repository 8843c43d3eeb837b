"""The event loop's heartbeat on the progress page, while a long call of the model or a commit runs.

Such a call excuses that nothing is answered, but it leaves the event loop free. The heartbeat shows that: it stops
where the process was stopped or a thread keeps the interpreter's lock. An idle encoder is not woken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from daemon.core.encoder_protocol.progress_page import ProgressWriter

EVERY_S = 0.1


class Heartbeat:
    """Beats on the event loop, which alone may use it."""

    def __init__(self, progress: ProgressWriter) -> None:
        self._progress = progress
        self._running = 0
        self._beats = False

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Beat while another thread works that may take long."""
        self._running += 1
        if not self._beats:
            self._beat()
        try:
            yield
        finally:
            self._running -= 1

    def _beat(self) -> None:
        """Beat once, and go on while work is announced on the page: it may outlast a cancelled request."""
        self._beats = self._running > 0 or self._progress.long
        self._progress.beat(again=self._beats)
        if self._beats:
            asyncio.get_running_loop().call_later(EVERY_S, self._beat)
