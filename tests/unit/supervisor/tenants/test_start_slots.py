"""Who may start next."""

from __future__ import annotations

import asyncio

import pytest

from daemon.supervisor.tenants import start_slots as turns_module
from daemon.supervisor.tenants.start_slots import Turns


async def test_no_more_than_the_limit_and_the_most_urgent_first() -> None:
    turns = Turns(1)
    first = await turns.take(lambda: 2)
    order: list[str] = []

    async def starts(name: str, urgency: int) -> None:
        turn = await turns.take(lambda: urgency)
        order.append(name)
        turn.release()

    waiting = [asyncio.create_task(starts(name, urgency)) for name, urgency in (("a", 2), ("b", 1), ("c", 1), ("d", 0))]
    await asyncio.sleep(0)
    assert (order, turns.free) == ([], False)
    first.release()
    await asyncio.gather(*waiting)
    assert order == ["d", "b", "c", "a"]
    assert turns.free


async def test_a_turn_is_given_back_once() -> None:
    turns = Turns(1)
    turn = await turns.take(lambda: 0)
    turn.release()
    turn.release()
    await turns.take(lambda: 0)
    assert not turns.free


async def test_a_cancelled_one_loses_no_turn() -> None:
    turns = Turns(1)
    held = await turns.take(lambda: 0)
    waiting, granted = (asyncio.create_task(turns.take(lambda: 0)) for _ in range(2))
    await asyncio.sleep(0)
    waiting.cancel()
    held.release()  # `granted` gets it, and is cancelled before it knows
    granted.cancel()
    await asyncio.gather(waiting, granted, return_exceptions=True)
    assert turns.free


async def test_a_slow_start_gives_its_turn_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns_module, "HOLD_S", 0.01)
    turns = Turns(1)
    await turns.take(lambda: 0)
    assert not turns.free
    async with asyncio.timeout(5):
        second = await turns.take(lambda: 0)
    second.release()
    assert turns.free
