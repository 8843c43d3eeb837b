"""The backend sentence-transformers on a two-layer random Qwen3, beside the library itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.models import (
    END_TOKEN,
    HIDDEN,
    LONG,
    TEXTS,
    copy_model,
    cosines,
    edit_json,
    ending_of,
    library,
    load,
    minilm,
    needs_torch,
)

torch = needs_torch()

from daemon.encoder.models.sentence_transformers import backend as module  # noqa: E402
from daemon.encoder.models.sentence_transformers.backend import SentenceTransformersBackend  # noqa: E402


@pytest.fixture(scope="module")
def backend(qwen3: Path) -> SentenceTransformersBackend:
    return load(qwen3)


def test_vectors_have_norm_one_and_the_models_dimension(backend: SentenceTransformersBackend) -> None:
    for encoded in (backend.encode_queries(TEXTS), backend.encode_documents(TEXTS)):
        assert encoded.vectors.shape == (len(TEXTS), HIDDEN) == (len(TEXTS), backend.dimension)
        assert encoded.vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(encoded.vectors, axis=1), 1, atol=1e-5)
        assert not encoded.truncated


def test_one_equals_many(backend: SentenceTransformersBackend) -> None:
    together = backend.encode_documents(TEXTS).vectors
    alone = np.concatenate([backend.encode_documents([text]).vectors for text in TEXTS])
    assert cosines(together, alone).min() > 0.9999


def test_vectors_are_the_librarys(qwen3: Path, backend: SentenceTransformersBackend) -> None:
    theirs = library(qwen3)
    assert cosines(backend.encode_queries(TEXTS).vectors, theirs.encode_query(TEXTS)).min() > 0.99999
    assert cosines(backend.encode_documents(TEXTS).vectors, theirs.encode_document(TEXTS)).min() > 0.99999


def test_real_weights_give_the_librarys_vectors() -> None:
    backend, theirs = load(minilm()), library(minilm())
    ours, theirs = backend.encode_documents([*TEXTS, LONG]), theirs.encode_document([*TEXTS, LONG])
    np.testing.assert_allclose(ours.vectors, theirs, atol=2e-6)
    assert ours.truncated == {len(TEXTS)}
    assert backend.dimension == 384
    assert "Transformer+Pooling(mean)+Normalize" in backend.fingerprint


def test_real_weights_understand_text() -> None:
    backend = load(minilm())
    query = backend.encode_queries(["I can't log in any more"]).vectors[0]
    password, lunch = backend.encode_documents(["How to reset a forgotten password", "A banana for lunch"]).vectors
    assert query @ password > query @ lunch + 0.2


def test_bfloat16_comes_out_as_float32(qwen3: Path, backend: SentenceTransformersBackend) -> None:
    half = load(qwen3, dtype="bfloat16")
    encoded = half.encode_documents(TEXTS)
    assert encoded.vectors.dtype == np.float32
    assert cosines(encoded.vectors, backend.encode_documents(TEXTS).vectors).min() > 0.999
    assert cosines(encoded.vectors, library(qwen3, "bfloat16").encode_document(TEXTS)).min() > 0.999
    alone = np.concatenate([half.encode_documents([text]).vectors for text in TEXTS])
    assert cosines(encoded.vectors, alone).min() > 0.999
    assert " bfloat16 " in half.fingerprint


def test_a_preset_chooses_bfloat16(qwen3: Path) -> None:
    assert " bfloat16 " in load(qwen3, dtype="auto").fingerprint
    assert " float32 " in load(minilm(), dtype="auto").fingerprint


def test_the_side_of_the_padding_is_no_matter_to_a_single_text(
    qwen3: Path, backend: SentenceTransformersBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.Files, "preset", lambda *_: None)  # the tokenizer's own side, the right one
    right = load(qwen3)
    assert not right._encoder._runner._shape.pad_left  # type: ignore[attr-defined]
    assert backend._encoder._runner._shape.pad_left  # type: ignore[attr-defined]
    for text in TEXTS:
        np.testing.assert_allclose(
            right.encode_documents([text]).vectors, backend.encode_documents([text]).vectors, atol=1e-6
        )
    assert cosines(right.encode_documents(TEXTS).vectors, backend.encode_documents(TEXTS).vectors).min() > 0.9999


def test_a_shorter_dimension_is_the_beginning_renormalised(qwen3: Path, backend: SentenceTransformersBackend) -> None:
    short = load(qwen3, dimensions=24)
    beginning = backend.encode_documents(TEXTS).vectors[:, :24]
    expected = beginning / np.linalg.norm(beginning, axis=1, keepdims=True)
    np.testing.assert_allclose(short.encode_documents(TEXTS).vectors, expected, atol=1e-5)
    assert (short.dimension, short.fingerprint.split()[-2]) == (24, "d24")


def test_queries_carry_the_instruction_and_documents_none(qwen3: Path) -> None:
    backend = load(qwen3, query_instruction="Find the help page")
    as_document = backend.encode_documents(["Instruct: Find the help page\nQuery:no wifi"]).vectors
    np.testing.assert_allclose(backend.encode_queries(["no wifi"]).vectors, as_document, atol=1e-6)
    np.testing.assert_allclose(
        backend.encode_documents(["no wifi"]).vectors, load(qwen3).encode_documents(["no wifi"]).vectors, atol=1e-6
    )


def test_the_presets_instruction_is_the_models_own(qwen3: Path, tmp_path: Path) -> None:
    bare = copy_model(qwen3, tmp_path / "Qwen3-Embedding-0.6B", without=("config_sentence_transformers.json",))
    np.testing.assert_allclose(
        load(bare).encode_queries(["no wifi"]).vectors, load(qwen3).encode_queries(["no wifi"]).vectors, atol=1e-6
    )
    other = copy_model(qwen3, tmp_path / "something-else", without=("config_sentence_transformers.json",))
    np.testing.assert_allclose(
        load(other).encode_queries(["no wifi"]).vectors, load(qwen3).encode_documents(["no wifi"]).vectors, atol=1e-6
    )


def test_prompts_are_put_before_the_text_as_they_are(qwen3: Path, backend: SentenceTransformersBackend) -> None:
    prompted = load(qwen3, query_prompt="query: ", document_prompt="passage: ")
    found = backend.encode_documents(["query: a", "passage: a"]).vectors
    np.testing.assert_allclose(prompted.encode_queries(["a"]).vectors[0], found[0], atol=1e-6)
    np.testing.assert_allclose(prompted.encode_documents(["a"]).vectors[0], found[1], atol=1e-6)


def test_a_folder_of_weights_alone_is_pooled_at_the_end_token_and_not_as_a_chat(
    qwen3: Path, backend: SentenceTransformersBackend, tmp_path: Path
) -> None:
    ours = ("modules.json", "config_sentence_transformers.json", "1_Pooling/config.json")
    bare = copy_model(qwen3, tmp_path / "Qwen3-Embedding-4B", without=ours)
    edit_json(bare / "config.json", architectures=["Qwen3Model"])
    found = load(bare)
    assert "Pooling(lasttoken)" in found.fingerprint
    np.testing.assert_allclose(
        found.encode_documents(TEXTS).vectors, backend.encode_documents(TEXTS).vectors, atol=1e-5
    )


def test_the_end_token_is_appended_where_the_tokenizer_forgets_it(
    qwen3: Path, backend: SentenceTransformersBackend, tmp_path: Path
) -> None:
    forgetful = copy_model(qwen3, tmp_path / "Qwen3-Embedding-8B")
    edit_json(forgetful / "tokenizer.json", post_processor=None)
    found = load(forgetful, max_tokens=16)
    np.testing.assert_allclose(
        found.encode_documents(["x"]).vectors, backend.encode_documents(["x"]).vectors, atol=1e-6
    )
    assert ending_of(found, LONG) == END_TOKEN
