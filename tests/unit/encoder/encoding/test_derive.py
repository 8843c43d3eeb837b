"""A smaller dimension of the same model is cut from the longer vectors that are stored, never encoded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from daemon.core import wire
from daemon.encoder.encoding import derive
from daemon.encoder.knowledge import Knowledge, WriteContext
from daemon.encoder.models.backend import unit_rows

TEXTS = ["first of the entries", "second of the entries", "third of the entries"]


def fingerprint(dimension: int, model: str = "m@1") -> str:
    return f"sentence-transformers {model} float32 Transformer prompt='' max_tokens=256 d{dimension} l2"


def vectors(dimension: int) -> np.ndarray:
    return unit_rows(np.random.default_rng(1).normal(size=(len(TEXTS), dimension)).astype(np.float32))


@pytest.fixture
def knowledge(tmp_path: Path) -> Iterator[Knowledge]:
    base = Knowledge.open(tmp_path / "knowledge.db", min_chars=1, history_days=90, disk_mb=None)
    given = dict(zip(TEXTS, vectors(16), strict=True))
    context = WriteContext(None, "test", None, fingerprint(16), given, lambda _: (200, b""), None)
    base.writes.add([wire.NewEntry(text=text) for text in TEXTS], context)
    yield base
    base.close()


def test_beginnings_renormalised(knowledge: Knowledge) -> None:
    assert derive.count(knowledge, fingerprint(4)) == 3
    assert derive.derive(knowledge, fingerprint(4), 4) == 3
    _, found = knowledge.vectors.all(fingerprint(4))
    np.testing.assert_allclose(found, unit_rows(vectors(16)[:, :4].copy()), rtol=1e-6)
    assert derive.count(knowledge, fingerprint(4)) == derive.derive(knowledge, fingerprint(4), 4) == 0


@pytest.mark.parametrize(
    "other", [fingerprint(32), fingerprint(16), fingerprint(4, "m@2"), "fake v1 d4 t64", "use-multilingual d4 l2"]
)
def test_nothing_from_another_model_or_a_shorter_vector(knowledge: Knowledge, other: str) -> None:
    assert derive.source(knowledge, other) is None
    assert derive.derive(knowledge, other, 4) == 0


def test_one_that_looks_on_leaves_the_others_work_alone(knowledge: Knowledge, tmp_path: Path) -> None:
    knowledge.vectors.stage(["a text that an import staged"], vectors(16)[:1], fingerprint(16))
    beside = Knowledge.open(tmp_path / "knowledge.db", min_chars=1, history_days=90, disk_mb=None, beside=True)
    beside.close()
    assert knowledge.vectors.missing(["a text that an import staged"], fingerprint(16)) == []
