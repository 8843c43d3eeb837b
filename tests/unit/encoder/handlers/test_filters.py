"""Metadata filters: looked up once for each state of the base, and within bounds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from daemon.encoder.changes.pipeline import Changes
from daemon.encoder.handlers import filters
from daemon.encoder.handlers.filters import Filters
from daemon.encoder.index.exact import Ids
from tests.support.encoder.knowledge import add, edit, open_base


class Reads:
    """Changes as far as a filter asks for them."""

    def __init__(self) -> None:
        self.count = 0
        self.before: Callable[[], object] = lambda: None

    async def read(self, function: Callable[[], Any]) -> Any:
        self.count += 1
        self.before()
        return function()


@pytest.fixture
async def base(tmp_path: Path) -> AsyncIterator[Any]:
    base = open_base(tmp_path / "k.db")
    for shelf in range(10):
        add(base, *[f"entry {shelf} {number}" for number in range(10)], metadata={"shelf": shelf, "house": 1})
    yield base
    base.close()


def made(base: Any) -> tuple[Filters, Reads]:
    reads = Reads()
    return Filters(base, cast(Changes, reads)), reads


async def test_it_is_looked_up_once(base: Any) -> None:
    found, reads = made(base)
    first = await found.matching({"shelf": 3, "house": 1})
    assert sorted(first.tolist()) == list(range(31, 41))
    np.testing.assert_array_equal(await found.matching({"house": 1, "shelf": 3}), first)
    assert reads.count == 1
    await found.matching({"shelf": 3, "house": 1.5})
    await found.matching({"shelf": 3, "house": True})
    assert reads.count == 3


async def test_after_a_change_it_is_looked_up_again(base: Any) -> None:
    found, reads = made(base)
    await found.matching({"shelf": 3})
    edit(base, 31, None, {"shelf": 4})
    assert 31 not in await found.matching({"shelf": 3})
    assert reads.count == 2


async def test_a_change_while_it_is_looked_up_leaves_nothing_old_behind(base: Any) -> None:
    found, reads = made(base)
    reads.before = lambda: edit(base, 31, None, {"shelf": 5, "at": reads.count})
    await found.matching({"shelf": 3})
    reads.before = lambda: None
    assert 31 not in await found.matching({"shelf": 3})
    assert reads.count == 2


async def test_the_least_recently_used_go_first(base: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filters, "_MOST_IDS", 2 * (10 + filters._OVERHEAD) + 5)
    found, reads = made(base)

    async def asked(shelf: int) -> Ids:
        return await found.matching({"shelf": shelf})

    for shelf in (1, 2, 1, 3):
        assert len(await asked(shelf)) == 10
    assert reads.count == 3
    await asked(1)
    assert reads.count == 3
    await asked(2)
    assert reads.count == 4
    assert len(await found.matching({"house": 1})) == 100  # more than is ever kept
