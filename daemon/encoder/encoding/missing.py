"""Vectors for entries that have none of the model in use."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from daemon.encoder.arrays import Matrix
from daemon.encoder.encoding.derive import derive
from daemon.encoder.knowledge import Knowledge
from daemon.encoder.models import Backend

log = logging.getLogger(__name__)

Report = Callable[[int, int], object]
_PART = 512


def encode_missing(knowledge: Knowledge, backend: Backend, report: Report) -> int:
    """Give each entry a vector of this model, and count them; what is done stays done if the process dies.

    `report` gets (encoded, to encode in all) before each part.
    """
    derive(knowledge, backend.fingerprint, backend.dimension)
    total = sum(len(page) for page in _pages(knowledge, backend))
    done = 0
    for page in _pages(knowledge, backend):
        for before, part in parts_of(page):
            report(done + before, total)
            knowledge.vectors.give(part, encode(backend, part), backend.fingerprint)
        done += len(page)
    if total:
        log.info("entries-encoded", extra={"entries": total})
    return total


def _pages(knowledge: Knowledge, backend: Backend) -> Iterator[list[str]]:
    after = 0
    while page := knowledge.vectors.without(backend.fingerprint, after):
        yield [text for _, text in page]
        after = page[-1][0]


def parts_of(texts: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Cut texts into parts to encode and store at a time, shortest first; each with the number of texts before it."""
    texts = sorted(texts, key=len)
    for at in range(0, len(texts), _PART):
        yield at, texts[at : at + _PART]


def encode(backend: Backend, texts: Sequence[str]) -> Matrix:
    """Encode documents, in as many calls as the model likes: shape (len(texts), dimension)."""
    return np.concatenate(list(calls(backend, texts)))


def calls(backend: Backend, texts: Sequence[str]) -> Iterator[Matrix]:
    """Call the model once for each `batch_tokens` of texts."""
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
