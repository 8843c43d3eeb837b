"""Groups of texts that go through the model together: of like length, so that little is computed on padding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np


def groups(lengths: Sequence[int], apart: float, most: float) -> Iterator[list[int]]:
    """Group texts by length; yields the positions of each group, shortest first.

    `apart`: what a call of the model costs, in tokens; a group ends where its padding would cost more.
    `most`: tokens in a group with its padding; one text alone may have more.
    """
    group: list[int] = []
    width, wasted = 0, 0
    for at in sorted(range(len(lengths)), key=lengths.__getitem__):
        wasted += (lengths[at] - width) * len(group)
        width = lengths[at]
        if group and (wasted > apart or width * (len(group) + 1) > most):
            yield group
            group, wasted = [], 0
        group.append(at)
    if group:
        yield group


def even_parts(group: Sequence[int], lengths: Sequence[int], count: int) -> list[list[int]]:
    """Cut a group into at most `count` parts of about as many tokens each, in its order."""
    tokens = np.array([lengths[at] for at in group])
    middles = np.cumsum(tokens) - tokens / 2
    cuts = np.searchsorted(middles, tokens.sum() * np.arange(1, count) / count)
    return [part.tolist() for part in np.split(np.array(group), cuts) if len(part)]


def fixed_cost(seconds: Callable[[int], float], tokens: int, most: float) -> float:
    """Measure the cost of a call itself, in tokens; `seconds(n)` is the time of n texts of `tokens` tokens each.

    At most `most`: what a busy machine makes of the measurement must not put long and short texts together.
    """
    many = 16
    one, all_ = seconds(1), seconds(many)
    each = (all_ - one) / ((many - 1) * tokens)
    if each <= 0:
        return most
    return min(most, max(_LEAST_FIXED, one / each - tokens))


_LEAST_FIXED = 4.0
