"""The sentence-transformers backend against the library in-process: `python -m tests.benchmarks.torch_light [THREADS]`.

all-MiniLM-L6-v2 and real texts on both sides, in alternating rounds: first the backend alone, then a tenant through
the daemon's socket. The query cache is off.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from daemon.core.config.tenant_config import EncoderConfig, LimitsConfig
from daemon.core.http.pool import Pool
from daemon.core.paths import TenantPaths
from daemon.encoder import models
from daemon.encoder.models import Backend
from tests.benchmarks.common import Series, alternate, latencies, real_texts, search_body, throughput
from tests.support.daemons import RunningDaemon, running_daemon
from tests.support.models import library, minilm

ENTRIES = 1000
QUERIES = 40
ROUNDS = 5
CLIENTS = 32
TARGET = "/v1/tenants/bench/search"
ENCODER: dict[str, Any] = {
    "backend": "sentence-transformers",
    "model": str(minilm()),
    "device": "cpu",
    "query_cache": 0,
}


def tenant(threads: int) -> dict[str, Any]:
    return {
        "encoder": ENCODER,
        "knowledge": {"min_chars": 1},
        "search": {"deadline_s": 30},
        "limits": {"cpus": threads},
    }


def milliseconds(call: Callable[[str], object], queries: list[str]) -> float:
    times = []
    for query in queries:
        began = time.perf_counter()
        call(query)
        times.append((time.perf_counter() - began) * 1000)
    return median(times)


def rate(call: Callable[[list[str]], object], texts: list[str]) -> float:
    began = time.perf_counter()
    call(texts)
    return len(texts) / (time.perf_counter() - began)


def in_batches(backend: Backend, texts: list[str]) -> None:
    """Encode texts as the worker does: shortest first, `batch_tokens` a call."""
    taken: list[str] = []
    room = backend.batch_tokens
    for length, text in sorted(zip(backend.lengths(texts), texts, strict=True)):
        if taken and length > room:
            backend.encode_documents(taken)
            taken, room = [], backend.batch_tokens
        taken.append(text)
        room -= length
    backend.encode_documents(taken)


def alone(backend: Backend, theirs: Any, texts: list[str], queries: list[str], threads: int) -> None:
    """The backend and the library in one process, with the same threads."""
    print(f"{threads} threads; batch_tokens {backend.batch_tokens}")
    difference = np.abs(backend.encode_documents(texts[:200]).vectors - theirs.encode_document(texts[:200])).max()
    print(f"{'largest difference of a value':<46} {difference:>10.2e}")
    single, bulk = Series("one query", "ms"), Series(f"{len(texts)} documents", "text/s")
    for _ in range(ROUNDS):
        single.ours.append(milliseconds(lambda query: backend.encode_queries([query]), queries))
        torch.set_num_threads(threads)  # the backend chooses anew at each call
        single.theirs.append(milliseconds(theirs.encode_query, queries))
        bulk.ours.append(rate(lambda some: in_batches(backend, some), texts))
        torch.set_num_threads(threads)
        bulk.theirs.append(rate(theirs.encode_document, texts))
    print(single.line())
    print(bulk.line())


async def served(daemon: RunningDaemon, theirs: Any, queries: list[str]) -> None:
    pool = Pool(daemon.paths.daemon_socket)
    single, bulk = Series("one client", "q/s"), Series(f"{CLIENTS} clients against bulk", "q/s")
    bodies = [search_body(query) for query in queries]

    async def ours() -> None:
        times, _ = await latencies(pool, TARGET, bodies[:QUERIES])
        single.ours.append(1000 / median(times))
        bulk.ours.append((await throughput(pool, TARGET, bodies, CLIENTS))[0])

    async def library_alone() -> None:
        single.theirs.append(1000 / milliseconds(theirs.encode_query, queries[:QUERIES]))
        bulk.theirs.append(rate(theirs.encode_query, queries))

    await alternate(ROUNDS, ours, library_alone)
    print(single.line("(must: at least 0.85)"))
    print(bulk.line("(must: at least 0.7; aim 0.9)"))
    await pool.close()


def indexed(daemon: RunningDaemon, theirs: Any, texts: list[str]) -> None:
    series = Series(f"indexing {len(texts)} entries", "text/s")
    with daemon.client() as client:
        for at in range(2):  # other texts each time: known ones are not encoded again
            part = texts[at::2]
            series.ours.append(rate(lambda some: client.set_texts("bench", some), part))
            series.theirs.append(rate(theirs.encode_document, part))
    print(series.line("(must: at least 0.92)"))


def main() -> None:
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else os.cpu_count() or 1
    found = real_texts(ENTRIES + 400)
    texts, queries = found[:ENTRIES], found[ENTRIES:]
    theirs = library(minilm())
    with tempfile.TemporaryDirectory() as folder:
        paths = TenantPaths(Path(folder), Path(folder), Path(folder))
        backend = models.load(EncoderConfig.model_validate(ENCODER), paths, LimitsConfig(cpus=threads))
    print(f"{'':<46} {'vecward':>10} {'':>18} {'library':>10}")
    alone(backend, theirs, texts[:400], queries[:QUERIES], threads)
    del backend
    torch.set_num_threads(threads)
    with running_daemon({"bench": tenant(threads)}) as daemon:
        daemon.wait_state("bench", "ready", deadline_s=240)
        print(next(line for line in daemon.encoder_log("bench").splitlines() if "model-timed" in line))
        indexed(daemon, theirs, texts)
        asyncio.run(served(daemon, theirs, queries))


if __name__ == "__main__":
    main()
