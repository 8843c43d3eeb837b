"""The exact index equals brute force after any edits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.errors import InternalError
from daemon.encoder.index import ExactIndex
from daemon.encoder.models.backend import Matrix

DIMENSION = 8
Edits = st.lists(st.tuples(st.booleans(), st.integers(1, 40), st.integers(0, 2**31)), max_size=200)


def unit(seed: int, rows: int = 1) -> Matrix:
    matrix = np.random.default_rng(seed).standard_normal((rows, DIMENSION)).astype(np.float32)
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def brute(held: dict[int, Matrix], query: Matrix, k: int) -> list[float]:
    return sorted((float(vector @ query) for vector in held.values()), reverse=True)[:k]


def filled(rows: int) -> ExactIndex:
    index = ExactIndex(DIMENSION, 1)
    index.upsert(zip(range(1, rows + 1), unit(rows, rows), strict=True))
    return index


@settings(deadline=None)
@given(Edits)
def test_any_edits_leave_what_brute_force_finds(edits: list[tuple[bool, int, int]]) -> None:
    index, held = ExactIndex(DIMENSION, 1), dict[int, Matrix]()
    for remove, id_, seed in edits:
        if remove:
            index.remove([id_])
            held.pop(id_, None)
        else:
            held[id_] = unit(seed)[0]
            index.upsert([(id_, held[id_])])
    query = unit(7)
    scores, ids = index.search(query, 10)
    assert len(index) == len(held)
    assert sorted(index.ids.tolist()) == sorted(held)
    np.testing.assert_allclose(scores[0], brute(held, query[0], 10), atol=1e-5)
    for id_, score in zip(ids[0].tolist(), scores[0].tolist(), strict=True):
        assert score == pytest.approx(float(held[id_] @ query[0]), abs=1e-5)


@pytest.mark.parametrize("queries", [1, 3, 4, 40])
def test_one_query_equals_many(queries: int) -> None:
    index = filled(300)
    batch = unit(5, queries)
    scores, ids = index.search(batch, 7)
    for row in range(queries):
        one_scores, one_ids = index.search(batch[row : row + 1], 7)
        np.testing.assert_allclose(scores[row], one_scores[0], atol=1e-5)
        assert ids[row].tolist() == one_ids[0].tolist()


def test_a_vector_finds_itself_with_score_one() -> None:
    index = filled(50)
    scores, ids = index.search(unit(50, 50)[9:10], 1)
    assert ids.tolist() == [[10]]
    assert scores[0, 0] == pytest.approx(1.0, abs=1e-6)
    assert scores[0, 0] <= 1.0


def test_k_beyond_the_entries_gives_all_of_them() -> None:
    scores, ids = filled(3).search(unit(1), 1000)
    assert scores.shape == ids.shape == (1, 3)


def test_an_empty_index_finds_nothing() -> None:
    scores, ids = ExactIndex(DIMENSION).search(unit(1, 2), 5)
    assert scores.shape == ids.shape == (2, 0)


def test_a_subset_keeps_to_its_ids() -> None:
    index = filled(30)
    _, ids = index.search(unit(1), 10, among=[3, 5, 99])
    assert sorted(ids[0].tolist()) == [3, 5]
    assert index.search(unit(1), 10, among=[])[1].shape == (1, 0)


def test_removing_what_is_not_there_changes_nothing() -> None:
    index = filled(3)
    index.remove([77])
    assert sorted(index.ids.tolist()) == [1, 2, 3]
    assert 77 not in index
    assert 3 in index


def test_ids_must_be_unique() -> None:
    with pytest.raises(InternalError):
        ExactIndex.of(np.array([1, 1], np.int64), unit(1, 2))
