"""The threads that read and write the base, beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TypeVar

from daemon.core.encoder_protocol.progress_page import ProgressWriter
from daemon.encoder.model_thread.heartbeat import Heartbeat

T = TypeVar("T")


class Threads:
    """One thread that writes, so that changes happen in order, and two that read.

    While one of them works, the progress page says so and the event loop's heart beats.
    """

    def __init__(self, progress: ProgressWriter, heart: Heartbeat) -> None:
        self._progress = progress
        self._heart = heart
        self._writer = ThreadPoolExecutor(1, "writer")
        self._readers = ThreadPoolExecutor(2, "reader")

    async def read(self, function: Callable[[], T]) -> T:
        """Run a function that reads the base."""
        return await self._run(self._readers, function)

    async def write(self, function: Callable[[], T]) -> T:
        """Run a function that changes the base, in turn with all others that do."""
        return await self._run(self._writer, function)

    async def _run(self, executor: Executor, function: Callable[[], T]) -> T:
        def working() -> T:
            with self._progress.work():
                return function()

        with self._heart.beating():
            return await asyncio.get_running_loop().run_in_executor(executor, working)

    def close(self) -> None:
        """Wait for what runs, then end the threads."""
        self._readers.shutdown()
        self._writer.shutdown()
