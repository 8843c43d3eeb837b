"""Long texts, and the fingerprint: what a document's vector is made with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.models import (
    END_TOKEN,
    LONG,
    QUERY_PROMPT,
    copy_model,
    cosines,
    ending_of,
    library,
    load,
    needs_torch,
    tiny_qwen3,
)

torch = needs_torch()

from daemon.encoder.models.sentence_transformers.backend import SentenceTransformersBackend  # noqa: E402


@pytest.fixture(scope="module")
def backend(qwen3: Path) -> SentenceTransformersBackend:
    return load(qwen3)


def test_a_long_document_is_cut_reported_and_keeps_its_end_token(qwen3: Path) -> None:
    backend, theirs = load(qwen3, max_tokens=32), library(qwen3)
    theirs.max_seq_length = 32
    encoded = backend.encode_documents(["short", LONG, "also short"])
    assert encoded.truncated == {1}
    assert encoded.tokens <= 32 * 3
    assert ending_of(backend, LONG) == END_TOKEN
    assert cosines(encoded.vectors, theirs.encode_document(["short", LONG, "also short"])).min() > 0.99999
    measured = backend.lengths([LONG])
    assert (measured, backend.encode_documents([LONG]).truncated) == ([32], {0})


def test_a_long_query_is_cut_without_counting_the_prompt(qwen3: Path) -> None:
    backend, theirs = load(qwen3, max_query_tokens=12), library(qwen3)
    theirs.max_seq_length = backend._encoder.count(QUERY_PROMPT) + 12
    encoded = backend.encode_queries(["short", LONG])
    assert encoded.truncated == {1}
    assert cosines(encoded.vectors, theirs.encode_query(["short", LONG])).min() > 0.99999
    shortest = load(qwen3, max_query_tokens=8).encode_queries(["red", "blue"]).vectors
    assert shortest[0] @ shortest[1] < 0.9999


def test_a_text_of_just_the_limit_is_whole(qwen3: Path) -> None:
    text = "Where is the printer paper?"
    length = load(qwen3).lengths([text])[0]
    fits, cuts = load(qwen3, max_tokens=max(16, length)), load(qwen3, max_tokens=16)
    assert not fits.encode_documents([text]).truncated
    assert bool(cuts.encode_documents([text]).truncated) == (length > 16)


def test_an_empty_text_is_the_end_token_alone(backend: SentenceTransformersBackend) -> None:
    encoded = backend.encode_documents([""])
    assert encoded.tokens == 1
    assert np.linalg.norm(encoded.vectors) == pytest.approx(1, abs=1e-5)


def test_the_fingerprint_changes_with_what_makes_a_document(qwen3: Path, tmp_path: Path) -> None:
    base = load(qwen3).fingerprint
    changes: list[dict[str, Any]] = [
        {"document_prompt": "passage: "},
        {"max_tokens": 64},
        {"dimensions": 32},
        {"dtype": "bfloat16"},
    ]
    found = [load(qwen3, **change).fingerprint for change in changes]
    found.append(load(tiny_qwen3(tmp_path / qwen3.name, seed=2)).fingerprint)
    assert len({base, *found}) == len(found) + 1
    assert all(len(fingerprint) < 300 for fingerprint in found)
    assert len(load(qwen3, document_prompt="p" * 5000).fingerprint) < 300


def test_the_fingerprint_stays_with_what_does_not(qwen3: Path, tmp_path: Path) -> None:
    base = load(qwen3).fingerprint
    moved = copy_model(qwen3, tmp_path / qwen3.name)
    (moved / "README.md").write_text("new words")
    same = [
        load(qwen3, query_instruction="Find the help page"),
        load(qwen3, query_prompt="q"),
        load(moved),
        load(qwen3, max_query_tokens=64),
        load(qwen3, batch_tokens=64),
        load(qwen3, attention="eager"),
    ]
    assert {one.fingerprint for one in same} == {base}
