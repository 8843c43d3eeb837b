"""`python -m daemon.encoder.jobs.bench`: an encoder on a copy, measured beside the tenant's own.

When the lifeline is closed, the encoder under test and its folder go.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from daemon.core.config.tenant_config import TenantConfig
from daemon.core.encoder_protocol.bench import BenchAbout, BenchRequest, BenchRow
from daemon.core.encoder_protocol.job import MAX_REASON_CHARS, Job, Problem, Step
from daemon.core.errors import StartRefused, VecwardError
from daemon.core.http.response import ConnectionLost
from daemon.core.paths import TenantPaths
from daemon.encoder.jobs.bench import copied
from daemon.encoder.jobs.bench.asking import Client, search
from daemon.encoder.jobs.bench.measured import Measured
from daemon.encoder.jobs.job import begin, tell

_PART_BYTES = 16 << 20  # of one request that adds entries
_ALONE_S = 5.0


def main() -> int:
    options, config = begin(
        Job.BENCH,
        lambda parser: parser.add_argument("--asked", required=True, type=BenchRequest.model_validate_json),
    )
    copied.clean(options.data)
    try:
        asyncio.run(_until_alone(_bench(options.tenant, options.data, for_measuring(config), options.asked)))
    except* (VecwardError, OSError, ConnectionLost) as group:
        tell(Problem(kind=StartRefused.kind, reason=_first_reason(group)))
    finally:
        copied.clean(options.data)
    return 0


def _first_reason(group: BaseExceptionGroup[Exception]) -> str:
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    if isinstance(first, ConnectionLost | ConnectionError):
        return "cannot go on: the encoder under test ended; see the tenant's log"
    return str(first)[:MAX_REASON_CHARS]


def for_measuring(config: TenantConfig) -> TenantConfig:
    """A configuration with the same model and limits, where no answer comes from a cache and no text is refused."""
    encoder = config.encoder.model_copy(update={"query_cache": 0})
    knowledge = config.knowledge.model_copy(update={"min_chars": 1, "seed": None, "history_days": 0})
    return config.model_copy(update={"encoder": encoder, "knowledge": knowledge})


async def _until_alone(work: Coroutine[Any, Any, None]) -> None:
    """Run the work, and end it when the lifeline is closed."""
    task = asyncio.create_task(work)
    asyncio.get_running_loop().add_reader(0, lambda: None if os.read(0, 64) else task.cancel())
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()


async def _bench(tenant: str, data: Path, config: TenantConfig, asked: BenchRequest) -> None:
    own = copied.own_texts(TenantPaths(data, data, data).knowledge_db, max(asked.entries))
    for number, count in enumerate(asked.entries):
        tell(Step(done=number, total=len(asked.entries)))
        with copied.folder(data, number) as folder:
            async with Measured(tenant, folder, config) as encoder:
                if not number:
                    ready = encoder.ready
                    model = ready.model_dump(include={"fingerprint", "device", "dimension"})
                    tell(BenchAbout(**model, own_texts=len(own)))
                tell(await _row(tenant, encoder, copied.enough(own, count), asked))


async def _row(tenant: str, encoder: Measured, texts: list[str], asked: BenchRequest) -> BenchRow:
    embed_s = await _embed(encoder, tenant, texts)
    queries = copied.queries(texts)
    first = await search(encoder.socket, tenant, queries[:1], 1, 0)
    alone = await search(encoder.socket, tenant, queries, 1, min(_ALONE_S, asked.seconds))
    began = time.perf_counter()
    times = sorted(await search(encoder.socket, tenant, queries, asked.clients, asked.seconds))
    took = time.perf_counter() - began
    return BenchRow(
        entries=len(texts),
        start_s=encoder.start_s,
        embed_s=embed_s,
        texts_per_s=len(texts) / embed_s,
        first_query_ms=first[0],
        alone_p50_ms=median(alone),
        queries_per_s=len(times) / took,
        p50_ms=median(times),
        p99_ms=times[int(0.99 * len(times))],
        memory_mb=encoder.memory_mb,
    )


async def _embed(encoder: Measured, tenant: str, texts: Sequence[str]) -> float:
    """Add the entries; the seconds until they are encoded, stored and searchable."""
    client = Client(encoder.socket, tenant)
    took = 0.0
    try:
        for part in _parts(texts):
            entries = {"entries": [{"text": text} for text in part]}
            began = time.perf_counter()
            await client.ask("entries", entries)
            took += time.perf_counter() - began
    finally:
        await client.close()
    return took


def _parts(texts: Sequence[str]) -> list[list[str]]:
    """The texts in one part, or in several where one request would become too large."""
    parts: list[list[str]] = [[]]
    room = _PART_BYTES
    for text in texts:
        room -= 2 * len(text.encode())
        if room < 0 and parts[-1]:
            parts.append([])
            room = _PART_BYTES
        parts[-1].append(text)
    return parts


if __name__ == "__main__":
    sys.exit(main())
