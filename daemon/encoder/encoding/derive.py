"""A smaller dimension of the same model (Matryoshka): its vectors are the beginnings of the longer ones."""

from __future__ import annotations

import re

import numpy as np

from daemon.encoder.knowledge import Knowledge
from daemon.encoder.models.backend import unit_rows

_PAGE = 2048
# As daemon.encoder.models.sentence_transformers writes it; a random or fixed-size model has no such beginnings.
_PATTERN = re.compile(r"(?P<before>sentence-transformers .*) d(?P<dimension>\d+)(?P<behind> l2)")


def source(knowledge: Knowledge, fingerprint: str) -> str | None:
    """A stored fingerprint that differs in nothing but a larger dimension; the smallest such."""
    wanted = _PATTERN.fullmatch(fingerprint)
    if wanted is None:
        return None
    found = [(int(other["dimension"]), other.string) for other in map(_PATTERN.fullmatch, knowledge.fingerprints())
             if other and (other["before"], other["behind"]) == (wanted["before"], wanted["behind"])]  # fmt: skip
    larger = sorted(one for one in found if one[0] > int(wanted["dimension"]))
    return larger[0][1] if larger else None


def count(knowledge: Knowledge, fingerprint: str) -> int:
    """How many entries need no model for their vector."""
    longer = source(knowledge, fingerprint)
    return 0 if longer is None else knowledge.count_derivable(longer, fingerprint)


def derive(knowledge: Knowledge, fingerprint: str, dimension: int) -> int:
    """Cuts and renormalises longer vectors where there are some; returns how many. What is done stays done."""
    longer = source(knowledge, fingerprint)
    done = 0
    while longer is not None and (page := knowledge.derivable(longer, fingerprint, _PAGE)):
        texts, vectors = zip(*page, strict=True)
        knowledge.give_vectors(texts, unit_rows(np.stack(vectors)[:, :dimension].copy()), fingerprint)
        done += len(page)
    return done
