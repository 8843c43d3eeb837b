"""Vectors of a smaller dimension of the same model (Matryoshka): the beginnings of the longer ones."""

from __future__ import annotations

import numpy as np

from daemon.core.config.backends import facts_of_fingerprint
from daemon.encoder.knowledge import Knowledge
from daemon.encoder.models.backend import unit_rows

_PAGE = 2048


def source(knowledge: Knowledge, fingerprint: str) -> str | None:
    """Find the stored fingerprint that differs in nothing but a larger dimension, the smallest of them."""
    facts = facts_of_fingerprint(fingerprint)
    pattern = None if facts is None else facts.fingerprint
    wanted = None if pattern is None else pattern.fullmatch(fingerprint)
    if pattern is None or wanted is None:
        return None
    known: dict[int, str] = {}
    for other in map(pattern.fullmatch, knowledge.vectors.fingerprints()):
        if other and (other["before"], other["behind"]) == (wanted["before"], wanted["behind"]):
            known[int(other["dimension"])] = other.string
    larger = [dimension for dimension in known if dimension > int(wanted["dimension"])]
    return known[min(larger)] if larger else None


def count(knowledge: Knowledge, fingerprint: str) -> int:
    """Count the entries that need no model for their vector."""
    longer = source(knowledge, fingerprint)
    return 0 if longer is None else knowledge.vectors.count_derivable(longer, fingerprint)


def derive(knowledge: Knowledge, fingerprint: str, dimension: int) -> int:
    """Cut and renormalise longer vectors where there are some, and count them; what is done stays done."""
    longer = source(knowledge, fingerprint)
    done = 0
    while longer is not None and (page := knowledge.vectors.derivable(longer, fingerprint, _PAGE)):
        texts, vectors = zip(*page, strict=True)
        knowledge.vectors.give(texts, unit_rows(np.stack(vectors)[:, :dimension].copy()), fingerprint)
        done += len(page)
    return done
