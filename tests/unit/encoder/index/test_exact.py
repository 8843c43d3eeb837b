"""The exact index equals brute force after any edits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.errors import InternalError
from daemon.encoder.arrays import Matrix
from daemon.encoder.index.exact import ExactIndex
from daemon.encoder.index.growing import GrowingMatrix

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


@pytest.mark.parametrize("share", [1, 3, 20, 60, 100])
@pytest.mark.parametrize("k", [1, 10, 1000])
def test_a_subset_is_searched_as_if_it_were_all(share: int, k: int) -> None:
    """Few ids and many take different ways."""
    index = filled(1000)
    index.remove(range(1, 300))
    vectors = {id_: unit(1000, 1000)[id_ - 1] for id_ in index.ids.tolist()}
    among = np.random.default_rng(share).choice(np.arange(1, 1001), 10 * share, replace=False)
    held = {id_: vectors[id_] for id_ in among.tolist() if id_ in vectors}
    query = unit(1)
    scores, ids = index.search(query, k, among)
    np.testing.assert_allclose(scores[0], brute(held, query[0], k), atol=1e-5)
    assert len(set(ids[0].tolist())) == min(k, len(held))
    for id_, score in zip(ids[0].tolist(), scores[0].tolist(), strict=True):
        assert score == pytest.approx(float(held[id_] @ query[0]), abs=1e-5)


@pytest.mark.parametrize("among", [[], [4711], list(range(2000, 2100))])
def test_a_subset_of_nothing_finds_nothing(among: list[int]) -> None:
    assert filled(30).search(unit(1), 10, np.array(among, np.int64))[1].shape == (1, 0)


# --- growth ---


def test_it_grows_and_keeps_what_it_has() -> None:
    index = ExactIndex(DIMENSION, 1)
    vectors = unit(3, 20_000)
    for at in range(0, 20_000, 1000):
        index.upsert(zip(range(at, at + 1000), vectors[at : at + 1000], strict=True))
    np.testing.assert_array_equal(index.matrix, vectors)
    assert index.ids.tolist() == list(range(20_000))


def growing(matrix: Matrix) -> GrowingMatrix:
    """Copy a matrix into one that has no room left."""
    made = GrowingMatrix(matrix.shape[1], len(matrix))
    made.room(len(matrix))[:] = matrix
    return made


def test_a_full_one_that_was_read_grows() -> None:
    index = ExactIndex.of(np.arange(1, 101), growing(unit(1, 100)))
    index.upsert([(101, unit(2)[0])])
    index.remove([1])
    assert len(index) == 100
    np.testing.assert_array_equal(index.matrix[0], unit(2)[0])
    np.testing.assert_array_equal(index.matrix[1:], unit(1, 100)[1:])


def test_what_a_search_found_does_not_keep_it_from_growing_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    index = ExactIndex.of(np.arange(1, 101), growing(unit(1, 100)))
    some = (None, np.arange(1, 90), np.array([2]))
    found = [index.search(unit(4), 5, among) for among in some]
    monkeypatch.delattr(GrowingMatrix, "_mapped")  # no second memory
    index.upsert((id_, unit(id_)[0]) for id_ in range(101, 5000))
    assert [len(ids[0]) for _, ids in found] == [5, 5, 1]


def test_a_view_that_somebody_holds_is_never_pulled_away() -> None:
    index = ExactIndex.of(np.arange(1, 101), growing(unit(1, 100)))
    view = index.matrix
    index.upsert((id_, unit(id_)[0]) for id_ in range(101, 5000))
    np.testing.assert_array_equal(view, unit(1, 100))
    np.testing.assert_array_equal(index.matrix[:100], view)
    np.testing.assert_array_equal(index.matrix[4998], unit(4999)[0])


def test_removing_what_is_not_there_changes_nothing() -> None:
    index = filled(3)
    index.remove([77])
    assert sorted(index.ids.tolist()) == [1, 2, 3]
    assert 77 not in index
    assert 3 in index


def test_ids_must_be_unique() -> None:
    with pytest.raises(InternalError):
        ExactIndex.of(np.array([1, 1], np.int64), growing(unit(1, 2)))
