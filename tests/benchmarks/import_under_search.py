"""An import while searches come in: `python -m tests.benchmarks.import_under_search --entries 20000`.

The embedded model. Search p50 may rise to three times what it is alone, the import keeps at least half of the rate
that it has alone, and no encoder is taken for hung.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import time
from statistics import median
from typing import Any

from daemon.client import AsyncClient
from daemon.core.wire import OperationState
from tests.benchmarks.common import real_texts
from tests.support.daemons import RunningDaemon, running_daemon

TENANT: dict[str, Any] = {"encoder": {"backend": "use-multilingual", "query_cache": 0}, "knowledge": {"min_chars": 1}}
ALONE_S = 10.0


class Searches:
    """One client that asks a new query every `pause_s`, as long as it is told to."""

    def __init__(self, daemon: RunningDaemon, queries: list[str], pause_s: float) -> None:
        self._socket = daemon.paths.daemon_socket
        self._queries = itertools.cycle(queries)
        self._pause_s = pause_s
        self._stop = asyncio.Event()

    async def run(self) -> list[float]:
        times: list[float] = []
        async with AsyncClient(self._socket) as client:
            while not self._stop.is_set():
                began = time.perf_counter()
                await client.search("bench", next(self._queries))
                times.append((time.perf_counter() - began) * 1000)
                await asyncio.sleep(self._pause_s)
        return times

    def end(self) -> None:
        self._stop.set()


async def imported(daemon: RunningDaemon, texts: list[str]) -> float:
    """Entries a second."""
    async with AsyncClient(daemon.paths.daemon_socket) as client:
        began = time.perf_counter()
        operation = await client.import_entries("bench", "\n".join(texts).encode(), "text/plain")
        while operation.state is OperationState.RUNNING:
            operation = await client.wait("bench", operation.id, timeout=30)
        seconds = time.perf_counter() - began
        assert operation.state is OperationState.DONE, operation
        await client.set_texts("bench", texts[:1000])
    return len(texts) / seconds


async def measure(daemon: RunningDaemon, texts: list[str], queries: list[str], pause_s: float) -> None:
    alone_rate = await imported(daemon, texts)
    quiet = Searches(daemon, queries, pause_s)
    asking = asyncio.create_task(quiet.run())
    await asyncio.sleep(ALONE_S)
    quiet.end()
    alone = await asking
    beside = Searches(daemon, queries, pause_s)
    asking = asyncio.create_task(beside.run())
    rate = await imported(daemon, [f"again: {text}" for text in texts])
    beside.end()
    under = await asking
    print(
        f"search p50: alone {median(alone):.2f} ms, during the import {median(under):.2f} ms: "
        f"{median(under) / median(alone):.2f} × (must: at most 3); worst {max(under):.0f} ms"
    )
    print(
        f"import: alone {alone_rate:.0f}/s, under search {rate:.0f}/s: {rate / alone_rate:.2f} × (must: at least 0.5)"
        f"; {len(under)} searches meanwhile"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--pause-ms", type=float, default=20.0)
    asked = parser.parse_args()
    real = real_texts(min(asked.entries, 50_000) + 500)
    queries, real = real[:500], real[500:]
    texts = [f"{number} {text}" for number, text in zip(range(asked.entries), itertools.cycle(real))]
    with running_daemon({"bench": TENANT}) as daemon:
        daemon.ready("bench")
        asyncio.run(measure(daemon, texts, queries, asked.pause_ms / 1000))
        view = daemon.tenant("bench")
        print(f"restarts: {view.restarts} (must: 0); hung: {daemon.output().count('tenant-hung')} (must: 0)")


if __name__ == "__main__":
    main()
