"""Groups of texts that share a call of the model."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from daemon.encoder.models.sentence_transformers.groups import even_parts, fixed_cost, groups


def test_long_and_short_are_kept_apart() -> None:
    assert list(groups([5, 200, 6, 190, 5], apart=16, most=4096)) == [[0, 4, 2], [3, 1]]


def test_like_lengths_stay_together() -> None:
    assert list(groups([10, 11, 12, 13], apart=16, most=4096)) == [[0, 1, 2, 3]]


def test_a_long_text_goes_alone_whatever_the_budget() -> None:
    assert list(groups([10, 5000], apart=1e9, most=100)) == [[0], [1]]


def test_nothing_makes_no_group() -> None:
    assert list(groups([], apart=16, most=4096)) == []


@given(st.lists(st.integers(1, 600), max_size=60), st.floats(0, 200), st.integers(1, 4096))
def test_every_text_is_in_one_group_within_both_bounds(lengths: list[int], apart: float, most: int) -> None:
    made = list(groups(lengths, apart, most))
    assert sorted(at for group in made for at in group) == list(range(len(lengths)))
    for group in made:
        width = max(lengths[at] for at in group)
        assert len(group) == 1 or width * len(group) <= most
        assert sum(width - lengths[at] for at in group) <= apart or len(group) == 1


def test_the_fixed_cost_is_told_in_tokens() -> None:
    assert round(fixed_cost(lambda texts: 0.010 + texts * 8 * 0.0001, 8, most=4096)) == 100
    assert fixed_cost(lambda texts: 0.010 + texts * 8 * 0.0001, 8, most=64) == 64
    assert fixed_cost(lambda texts: texts * 8 * 0.1, 8, most=64) == 4
    assert fixed_cost(lambda _: 0.01, 8, most=4096) == 4096


@given(st.lists(st.integers(1, 600), min_size=1, max_size=60), st.integers(1, 5))
def test_even_parts_keep_the_order_and_share_the_tokens(lengths: list[int], count: int) -> None:
    group = sorted(range(len(lengths)), key=lengths.__getitem__)
    parts = even_parts(group, lengths, count)
    assert [at for part in parts for at in part] == group
    assert all(parts)
    assert len(parts) <= count
    share, longest = sum(lengths) / count, max(lengths)
    assert all(sum(lengths[at] for at in part) <= share + longest for part in parts)


def test_even_parts_of_like_lengths() -> None:
    assert even_parts([0, 1, 2, 3], [7, 7, 7, 7], 2) == [[0, 1], [2, 3]]
    assert even_parts([0, 1, 2], [1, 1, 30], 2) == [[0, 1], [2]]
