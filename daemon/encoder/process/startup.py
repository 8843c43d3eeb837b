"""The start of an encoder, from an empty process to one that can answer: base, model, seed, index, a timed query."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from daemon.core import wire
from daemon.core.config.tenant_config import TenantConfig
from daemon.core.encoder_protocol import control
from daemon.core.errors import StartRefused
from daemon.encoder import models
from daemon.encoder.arrays import Matrix
from daemon.encoder.encoding.missing import encode, encode_missing, parts_of
from daemon.encoder.index import Index, IndexKind, kind_of
from daemon.encoder.index.restore import restore
from daemon.encoder.knowledge import Knowledge, WriteContext
from daemon.encoder.knowledge.file import backup_format
from daemon.encoder.knowledge.file.swap_names import BEFORE
from daemon.encoder.models import CANARIES, Backend
from daemon.encoder.process.options import Options

log = logging.getLogger(__name__)

Report = Callable[[control.Warming], object]


@dataclass(frozen=True)
class Parts:
    """The parts of an encoder that is ready.

    `fresh`: the index's snapshot equals it; `canary` holds the canaries' vectors as of warm-up; `query_s` is what one
    short query costs; `storage` are the files that hold the tenant's knowledge.
    """

    knowledge: Knowledge
    backend: Backend
    index_kind: IndexKind
    index: Index
    fresh: bool
    canary: Matrix
    query_s: float
    storage: tuple[Path, ...] = ()


def start(options: Options, config: TenantConfig, report: Report) -> Parts:
    """Make the parts in turn, and report each step. Raises StartRefused."""
    report(control.Warming(step="opening the knowledge base"))
    knowledge = open_knowledge(options, config)
    report(control.Warming(step="loading the model"))
    backend = models.load(config.encoder, options.paths, config.limits)
    report(control.Warming(step="warming up"))
    canary = backend.encode_queries(CANARIES).vectors
    query_s = time_queries(backend, config)
    if knowledge.reads.revision == 0:
        load_seed(knowledge, backend, options.seed(), report)

    def report_encoding(done: int, total: int) -> None:
        report(control.Warming(step=control.RE_EMBEDDING, done=done, total=total))

    encode_missing(knowledge, backend, report_encoding)
    report(control.Warming(step="loading the index"))
    kind = kind_of(config.index)
    index, fresh = restore(kind, knowledge, snapshot_path(options), backend.fingerprint, backend.dimension)
    return Parts(knowledge, backend, kind, index, fresh, canary, query_s, storage(options))


def snapshot_path(options: Options) -> Path:
    return options.paths.index / "snapshot"


def storage(options: Options) -> tuple[Path, ...]:
    base = options.paths.knowledge_db
    return base, base.with_name(f"{base.name}-wal"), snapshot_path(options)


def open_knowledge(options: Options, config: TenantConfig) -> Knowledge:
    """Open the base, and remove what killed work left; a replaced base goes only when its successor is open."""
    path = options.paths.knowledge_db
    backup_format.sweep(options.data)
    knowledge = Knowledge.open(
        path,
        min_chars=config.knowledge.min_chars,
        history_days=config.knowledge.history_days,
        disk_mb=config.limits.disk_mb,
    )
    path.with_name(BEFORE.format(path.name)).unlink(missing_ok=True)
    return knowledge


def time_queries(backend: Backend, config: TenantConfig) -> float:
    """Time one short query, in seconds. Raises StartRefused when the longest possible one takes too long."""
    longest = " ".join([CANARIES[0]] * (config.encoder.max_query_tokens // 8 + 1))
    seconds = min(_timed(backend, longest) for _ in range(2))
    allowed = config.search.deadline_s / 2
    if seconds > allowed:
        raise StartRefused(
            f"cannot serve within search.deadline_s ({config.search.deadline_s:g} s): a query of "
            f"{config.encoder.max_query_tokens} tokens takes {seconds:.2f} s on {backend.device}, at most "
            f"{allowed:.2f} s are possible; choose a smaller model, fewer max_query_tokens or a longer deadline",
            seconds=round(seconds, 3),
        )
    return min(_timed(backend, CANARIES[0]) for _ in range(3))


def _timed(backend: Backend, text: str) -> float:
    started = time.perf_counter()
    backend.encode_queries([text])
    return time.perf_counter() - started


def load_seed(knowledge: Knowledge, backend: Backend, lines: list[str], report: Report) -> None:
    """Add the seed's lines to a new base."""
    entries = [wire.NewEntry(text=line) for line in lines]
    if not entries:
        return
    texts = knowledge.writes.check(entries).texts
    for done, part in parts_of(texts):
        report(control.Warming(step="encoding entries", done=done, total=len(texts)))
        knowledge.vectors.stage(part, encode(backend, part), backend.fingerprint)
    committed = knowledge.writes.add(
        entries,
        WriteContext(None, "seed", if_match=0, fingerprint=backend.fingerprint, vectors={}, kind="seed"),
    )
    log.info("seed-loaded", extra={"added": len(committed.added), "refused": len(committed.refused)})
