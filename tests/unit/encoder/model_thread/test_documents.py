"""Imports: behind searches and edits, in slices, shortest first."""

from __future__ import annotations

import asyncio

import numpy as np

from daemon.encoder.model_thread.pacing import Pace
from daemon.encoder.model_thread.requests import DocumentsRequest
from daemon.encoder.models.fake import FakeBackend
from tests.support.encoder.workers import bench

# --- documents ---


async def test_documents_come_back_in_order_and_equal_ones_are_encoded_once() -> None:
    async with bench() as b:
        b.backend.open()
        texts = ["a longer one of them", "short", "a longer one of them", "tiny"]
        job = await b.worker.documents(texts)
        expected = FakeBackend.encode_documents(b.backend, texts).vectors
        np.testing.assert_array_equal(job.vectors, expected)
        assert sum(len(texts) for texts in b.calls) == 3


async def test_no_documents_need_no_model() -> None:
    async with bench() as b:
        assert (await b.worker.documents([])).vectors.shape == (0, 64)


async def test_shortest_first_within_the_budget() -> None:
    async with bench(pace=Pace(1.0, 12)) as b:
        b.backend.open()
        await b.worker.documents(["x" * 9, "x" * 3, "x" * 5, "x" * 2])
        assert [[len(text) for text in texts] for texts in b.calls] == [[2, 3, 5], [9]]


async def test_searches_and_edits_go_before_imports() -> None:
    async with bench(pace=Pace(1.0, 40)) as b:
        first = await b.hold()
        bulk = asyncio.create_task(b.worker.documents([f"import {n:03}" for n in range(20)]))
        await b.queued()
        edit = asyncio.create_task(b.worker.documents(["one edited text"]))
        search = asyncio.create_task(b.worker.search("a search", 1))
        await b.queued()
        b.backend.open()
        await asyncio.gather(first, bulk, edit, search)
        assert b.calls[1] == ["a search"]
        assert "one edited text" in b.calls[2]


async def test_an_import_moves_under_steady_searches() -> None:
    async with bench(pace=Pace(1.0, 25)) as b:
        b.backend.open()
        bulk = asyncio.create_task(b.worker.documents([f"import {n:03}" for n in range(20)]))
        searches = 0
        while not bulk.done():
            await b.worker.search(f"search {searches}", 1)
            searches += 1
        assert 0 < searches < 100


async def test_a_failing_import_fails_alone() -> None:
    async with bench(pace=Pace(1.0, 10)) as b:
        b.backend.open()
        bad = b.worker.documents(["poison", *("x" * 9 for _ in range(10))])
        good = b.worker.documents([f"good {n}" for n in range(10)])
        failed, done = await asyncio.gather(bad, good, return_exceptions=True)
        assert isinstance(failed, ValueError)
        assert isinstance(done, DocumentsRequest)
        assert done.finished


async def test_a_cancelled_import_stops_costing() -> None:
    async with bench(pace=Pace(1.0, 10)) as b:
        first = await b.hold("documents")
        bulk = asyncio.create_task(b.worker.documents([f"import {n:03}" for n in range(20)]))
        await b.queued()
        bulk.cancel()
        await asyncio.gather(bulk, return_exceptions=True)
        b.backend.open()
        await first
        await b.worker.search("afterwards", 1)
        assert sum("import" in text for texts in b.calls for text in texts) <= 1
