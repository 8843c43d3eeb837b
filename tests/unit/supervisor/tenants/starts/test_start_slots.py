"""The order in which starts get a slot."""

from __future__ import annotations

import asyncio

import pytest

from daemon.supervisor.tenants.starts import start_slots as slots_module
from daemon.supervisor.tenants.starts.start_slots import StartSlots


async def test_no_more_than_the_limit_and_the_most_urgent_first() -> None:
    slots = StartSlots(1)
    first = await slots.take(lambda: 2)
    order: list[str] = []

    async def starts(name: str, urgency: int) -> None:
        slot = await slots.take(lambda: urgency)
        order.append(name)
        slot.release()

    waiting = [asyncio.create_task(starts(name, urgency)) for name, urgency in (("a", 2), ("b", 1), ("c", 1), ("d", 0))]
    await asyncio.sleep(0)
    assert (order, slots.free) == ([], False)
    first.release()
    await asyncio.gather(*waiting)
    assert order == ["d", "b", "c", "a"]
    assert slots.free


async def test_a_slot_is_given_back_once() -> None:
    slots = StartSlots(1)
    slot = await slots.take(lambda: 0)
    slot.release()
    slot.release()
    await slots.take(lambda: 0)
    assert not slots.free


async def test_a_cancelled_one_loses_no_slot() -> None:
    slots = StartSlots(1)
    held = await slots.take(lambda: 0)
    waiting, granted = (asyncio.create_task(slots.take(lambda: 0)) for _ in range(2))
    await asyncio.sleep(0)
    waiting.cancel()
    held.release()  # `granted` gets it, and is cancelled before it knows
    granted.cancel()
    await asyncio.gather(waiting, granted, return_exceptions=True)
    assert slots.free


async def test_a_slow_start_gives_its_slot_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots_module, "HOLD_S", 0.01)
    slots = StartSlots(1)
    await slots.take(lambda: 0)
    assert not slots.free
    async with asyncio.timeout(5):
        second = await slots.take(lambda: 0)
    second.release()
    assert slots.free
