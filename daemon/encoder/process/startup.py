"""From an empty process to one that can answer: base, model, seed, index, and a timed query."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from daemon.core import wire
from daemon.core.config.tenant_config import TenantConfig
from daemon.core.encoder_protocol import control
from daemon.core.errors import StartRefused
from daemon.encoder import models
from daemon.encoder.encoding.derive import derive
from daemon.encoder.index.restore import Restored, restore
from daemon.encoder.knowledge import Knowledge, WriteContext
from daemon.encoder.knowledge.file import backup_format
from daemon.encoder.knowledge.file.database import BEFORE
from daemon.encoder.models import CANARIES, Backend
from daemon.encoder.models.backend import Matrix
from daemon.encoder.process.options import Options

log = logging.getLogger(__name__)

Tell = Callable[[control.Warming], object]
_PAGE = 512


@dataclass(frozen=True)
class Parts:
    """`canary` holds the canaries' vectors as of warm-up; `query_s` is what one short query costs; `storage`
    are the files that hold the tenant's knowledge."""

    knowledge: Knowledge
    backend: Backend
    restored: Restored
    canary: Matrix
    query_s: float
    storage: tuple[Path, ...] = ()


def start(options: Options, config: TenantConfig, tell: Tell) -> Parts:
    """Raises StartRefused."""
    tell(control.Warming(step="opening the knowledge base"))
    knowledge = open_knowledge(options, config)
    tell(control.Warming(step="loading the model"))
    backend = models.load(config.encoder, options.paths, config.limits)
    tell(control.Warming(step="warming up"))
    canary = backend.encode_queries(CANARIES).vectors
    query_s = time_queries(backend, config)
    if knowledge.revision == 0:
        load_seed(knowledge, backend, options.seed(), tell)
    encode_missing(knowledge, backend, tell)
    tell(control.Warming(step="loading the index"))
    restored = restore(knowledge, snapshot_path(options), backend.fingerprint, backend.dimension)
    return Parts(knowledge, backend, restored, canary, query_s, storage(options))


def snapshot_path(options: Options) -> Path:
    return options.paths.index / "snapshot"


def storage(options: Options) -> tuple[Path, ...]:
    base = options.paths.knowledge_db
    return base, base.with_name(f"{base.name}-wal"), snapshot_path(options)


def open_knowledge(options: Options, config: TenantConfig) -> Knowledge:
    """Removes what killed work left behind, too; the base that a restore replaced only when its successor opens."""
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
    """Seconds for one short query. Raises StartRefused when the longest possible one takes too long."""
    longest = " ".join([CANARIES[0]] * (config.encoder.max_query_tokens // 8 + 1))
    seconds = min(_timed(backend, longest) for _ in range(2))
    allowed = config.search.deadline_s / 2
    if seconds > allowed:
        raise StartRefused(
            f"cannot serve within search.deadline_s ({config.search.deadline_s:g} s): a query of "
            f"{config.encoder.max_query_tokens} tokens takes {seconds:.2f} s on {backend.device}, at most "
            f"{allowed:.2f} s are possible; choose a smaller model, fewer max_query_tokens or a longer deadline",
            seconds=round(seconds, 3),
        )  # fmt: skip
    return min(_timed(backend, CANARIES[0]) for _ in range(3))


def _timed(backend: Backend, text: str) -> float:
    started = time.perf_counter()
    backend.encode_queries([text])
    return time.perf_counter() - started


def load_seed(knowledge: Knowledge, backend: Backend, lines: list[str], tell: Tell) -> None:
    entries = [wire.NewEntry(text=line) for line in lines]
    if not entries:
        return
    checked = knowledge.check(entries)
    texts = [entry.text for _, entry in checked.accepted]
    for done, part in parts_of(texts):
        tell(control.Warming(step="encoding entries", done=done, total=len(texts)))
        knowledge.stage(part, encode(backend, part), backend.fingerprint)
    context = WriteContext(
        request_id=None, actor="seed", if_match=0, fingerprint=backend.fingerprint, vectors={},
        answer=lambda _: (200, b""), kind="seed",
    )  # fmt: skip
    committed = knowledge.add(entries, context)
    log.info("seed-loaded", extra={"added": len(committed.added), "refused": len(committed.refused)})


def encode_missing(knowledge: Knowledge, backend: Backend, tell: Tell) -> int:
    """Gives each entry a vector of this model, and answers how many; what is done stays done if the process dies."""
    derive(knowledge, backend.fingerprint, backend.dimension)
    total = sum(len(page) for page in _pages(knowledge, backend))
    done = 0
    for page in _pages(knowledge, backend):
        for before, part in parts_of(page):
            tell(control.Warming(step=control.RE_EMBEDDING, done=done + before, total=total))
            knowledge.give_vectors(part, encode(backend, part), backend.fingerprint)
        done += len(page)
    if total:
        log.info("entries-encoded", extra={"entries": total})
    return total


def _pages(knowledge: Knowledge, backend: Backend) -> Iterator[list[str]]:
    after = 0
    while page := knowledge.without_vector(backend.fingerprint, after):
        yield [text for _, text in page]
        after = page[-1][0]


def parts_of(texts: list[str]) -> Iterator[tuple[int, list[str]]]:
    """What is encoded and committed at a time, shortest first; each part with the number of texts before it."""
    texts = sorted(texts, key=len)
    for at in range(0, len(texts), _PAGE):
        yield at, texts[at : at + _PAGE]


def encode(backend: Backend, texts: list[str]) -> Matrix:
    return np.concatenate(list(calls(backend, texts)))


def calls(backend: Backend, texts: list[str]) -> Iterator[Matrix]:
    """One model call per `batch_tokens`."""
    taken: list[str] = []
    room = backend.batch_tokens
    for text, length in zip(texts, backend.lengths(texts), strict=True):
        if taken and length > room:
            yield backend.encode_documents(taken).vectors
            taken, room = [], backend.batch_tokens
        taken.append(text)
        room -= length
    if taken:
        yield backend.encode_documents(taken).vectors
