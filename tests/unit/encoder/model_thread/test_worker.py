"""The owner thread: natural batches of searches, equal texts once, nobody harmed by another's failure."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from daemon.core.encoder_protocol.counters import CACHE_HITS, ENCODER_S, QUERIES, TEXTS, TOKENS
from daemon.core.encoder_protocol.progress_page import CallKind, ProgressReader
from daemon.core.errors import QueueFull
from daemon.encoder.model_thread.pacing import Pace
from tests.support.encoder.workers import bench

# --- searching ---


async def test_a_search_finds_the_nearest_with_its_entry() -> None:
    async with bench() as b:
        b.backend.open()
        found = await b.worker.search("reset the password", 2)
        assert found.ids[0] == 2
        assert found.entries[2] == ("a reset password", {})
        assert len(found.ids) == 2
        assert found.scores == sorted(found.scores, reverse=True)
        assert min(found.queue_ms, found.encode_ms, found.search_ms) >= 0
        assert (await b.worker.search("reset", 5, among=np.array([1, 3]))).ids != [2]


async def test_what_waits_is_taken_together() -> None:
    async with bench() as b:
        first = await b.hold()
        others = [asyncio.create_task(b.worker.search(f"query {n}", 1)) for n in range(20)]
        await b.queued()
        b.backend.open()
        await asyncio.gather(first, *others)
        assert b.calls == [["occupies the model"], [f"query {n}" for n in range(20)]]


async def test_a_batch_ends_at_its_budget() -> None:
    async with bench(batch_tokens=30) as b:
        first = await b.hold()
        others = [asyncio.create_task(b.worker.search(f"ten chars{n}", 1)) for n in range(7)]
        await b.queued()
        b.backend.open()
        await asyncio.gather(first, *others)
        assert [len(texts) for texts in b.calls] == [1, 3, 3, 1]


async def test_equal_queries_are_encoded_once() -> None:
    async with bench() as b:
        first = await b.hold()
        others = [asyncio.create_task(b.worker.search("the same", k)) for k in (1, 2, 3)]
        await b.queued()
        b.backend.open()
        await first
        found = await asyncio.gather(*others)
        assert b.calls[1] == ["the same"]
        assert [len(one.ids) for one in found] == [1, 2, 3]


async def test_different_k_and_filters_share_a_batch() -> None:
    async with bench() as b:
        first = await b.hold()
        wide = asyncio.create_task(b.worker.search("green tea", 3))
        narrow = asyncio.create_task(b.worker.search("green tea", 3, among=np.array([1])))
        vector = asyncio.create_task(b.worker.query_vector("green tea"))
        await b.queued()
        b.backend.open()
        await first
        assert len((await wide).ids) == 3
        assert (await narrow).ids == [1]
        assert (await vector).shape == (64,)


async def test_a_full_queue_refuses_and_recovers() -> None:
    async with bench(max_queue=3) as b:
        first = await b.hold()
        others = [asyncio.create_task(b.worker.search(f"q{n}", 1)) for n in range(2)]
        await b.queued()
        with pytest.raises(QueueFull) as refused:
            await b.worker.search("one too many", 1)
        assert refused.value.retry_after
        b.backend.open()
        await asyncio.gather(first, *others)
        assert (await b.worker.search("now there is room", 1)).ids


async def test_a_canary_passes_a_full_queue() -> None:
    async with bench(max_queue=1) as b:
        first = await b.hold()
        canary = asyncio.create_task(b.worker.canary("tweet"))
        await b.queued()
        b.backend.open()
        await first
        assert (await canary).shape == (64,)


async def test_a_query_that_fails_harms_no_other() -> None:
    async with bench() as b:
        first = await b.hold()
        bad = asyncio.create_task(b.worker.search("poison", 1))
        good = asyncio.create_task(b.worker.search("green tea", 1))
        await b.queued()
        b.backend.open()
        await first
        assert (await good).ids == [3]
        with pytest.raises(ValueError, match="can't encode"):
            await bad
        assert (await b.worker.search("green tea", 1)).ids == [3]


async def test_an_asker_who_left_costs_nothing() -> None:
    async with bench() as b:
        first = await b.hold()
        gone = asyncio.create_task(b.worker.search("nobody waits for this", 1))
        stays = asyncio.create_task(b.worker.search("somebody waits", 1))
        await b.queued()
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        b.backend.open()
        await asyncio.gather(first, stays)
        assert b.calls[1] == ["somebody waits"]


# --- the cache ---


async def test_the_cache_answers_without_the_model_and_counts() -> None:
    async with bench(cache=2) as b:
        b.backend.open()
        first = await b.worker.search("green tea", 3)
        again = await b.worker.search("green tea", 3)
        assert (again.ids, again.scores) == (first.ids, first.scores)
        assert len(b.calls) == 1
        assert b.batches.counts[CACHE_HITS] == 1


async def test_canaries_are_encoded_each_time() -> None:
    async with bench(cache=10) as b:
        b.backend.open()
        await b.worker.canary("tweet")
        await b.worker.canary("tweet")
        assert len(b.calls) == 2


# --- other ---


async def test_calls_run_in_order_on_the_workers_thread() -> None:
    async with bench() as b:
        ran: list[int] = []
        for number in range(50):
            b.worker.post(lambda number=number: ran.append(number))  # type: ignore[misc]
        name = await b.worker.call(lambda: threading.current_thread().name)
        assert ran == list(range(50))
        assert name == "model"


async def test_a_calls_error_reaches_its_asker() -> None:
    async with bench() as b:
        with pytest.raises(ZeroDivisionError):
            await b.worker.call(lambda: 1 // 0)
        b.worker.post(lambda: 1 // 0)
        assert await b.worker.call(lambda: 1) == 1


async def test_each_call_is_on_the_progress_page() -> None:
    async with bench() as b:
        b.backend.open()
        await b.worker.search("a query", 1)
        await b.worker.documents(["a document"])
        kind = await b.worker.call(lambda: ProgressReader(b.backend.page).read().kind)
        assert b.backend.seen == [CallKind.SEARCH, CallKind.IMPORT]
        assert kind is CallKind.OTHER


async def test_counters_add_up() -> None:
    async with bench(cache=5) as b:
        b.backend.open()
        for _ in range(2):
            await b.worker.search("a query", 1)
        await b.worker.documents(["one", "two"])
        counts = b.batches.counts
        assert (counts[QUERIES], counts[TEXTS]) == (2, 2)
        assert counts[TOKENS] == len("a query") + len("onetwo")
        assert counts[ENCODER_S] > 0


async def test_stop_finishes_what_is_queued() -> None:
    async with bench(pace=Pace(1.0, 10)) as b:
        first = await b.hold()
        bulk = asyncio.create_task(b.worker.documents([f"import {n:03}" for n in range(20)]))
        await b.queued()
        stopping = asyncio.create_task(b.worker.stop())
        b.backend.open()
        found, encoded, _ = await asyncio.gather(first, bulk, stopping)
        assert len(found.ids) == 1
        assert sum(text.startswith("import") for texts in b.calls for text in texts) == 20
        np.testing.assert_allclose(np.linalg.norm(encoded.vectors, axis=1), np.ones(20), rtol=1e-5)
        assert not b.worker._thread.is_alive()


async def test_the_idle_step_runs_when_nothing_waits() -> None:
    steps: list[int] = []

    def idle() -> float | None:
        steps.append(len(steps))
        return 0.0 if len(steps) < 3 else None

    async with bench(idle=idle) as b:
        b.backend.open()
        while len(steps) < 3:
            await b.worker.call(lambda: None)
        assert (await b.worker.search("a query", 1)).ids
