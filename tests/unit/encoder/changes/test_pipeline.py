"""The way of a change: prepared, encoded, committed, in the index, and only then answered."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from daemon.core import wire
from daemon.core.encoder_protocol.progress_page import ProgressWriter
from daemon.core.errors import RevisionChanged, UnknownEntry
from daemon.encoder.changes import pipeline
from daemon.encoder.changes.edits import AddEntries, DeleteEntries, EditEntry, SetTexts, Undo
from daemon.encoder.changes.pipeline import Caller, Changes, NewVectors
from daemon.encoder.changes.threads import Threads
from daemon.encoder.index.keeper import Keeper
from daemon.encoder.index.restore import moment_of
from daemon.encoder.knowledge import Knowledge
from daemon.encoder.model_thread.heartbeat import Heartbeat
from tests.support.encoder.knowledge import contents, open_base
from tests.support.encoder.workers import Bench, bench

TOKENS = 1000


@dataclass
class Made:
    """A pipeline over an empty base; `reports` holds the revision at each report."""

    base: Knowledge
    changes: Changes
    bench: Bench
    reports: list[int] = field(default_factory=list)

    async def make(self, edit: Any, **caller: Any) -> dict[str, Any]:
        status, body = await self.changes.make(edit, Caller(**{"request_id": None, "actor": "user:demo", **caller}))
        return {"status": status, **json.loads(body)}

    async def indexed(self) -> list[int]:
        """List the ids in the index, on the thread that owns it."""
        index: Any = self.bench.batches.index
        return sorted(await self.bench.worker.call(lambda: index.ids.tolist()))


@asynccontextmanager
async def pipelined(folder: Path) -> AsyncIterator[Made]:
    async with bench() as made:
        made.backend.open()
        base = open_base(folder / "knowledge.db")
        index = made.batches.index
        await made.worker.call(lambda: index.remove([1, 2, 3]))
        index.moment = moment_of(base, made.backend.fingerprint)
        progress = ProgressWriter(made.backend.page)
        threads = Threads(progress, Heartbeat(progress))
        keeper = Keeper(index, folder / "snapshot", fresh=True)
        reports: list[int] = []
        changes = Changes(base, threads, made.worker, keeper, lambda: reports.append(base.reads.revision))
        yield Made(base, changes, made, reports)
        threads.close()
        base.close()


def adding(*texts: str) -> AddEntries:
    return AddEntries([wire.NewEntry(text=text) for text in texts], TOKENS)


async def test_a_change_is_in_the_index_when_it_is_answered(tmp_path: Path) -> None:
    async with pipelined(tmp_path) as made:
        answer = await made.make(adding("green tea", "black tea"))
        assert (answer["status"], answer["added"], answer["revision"]) == (201, [1, 2], 1)
        assert await made.indexed() == [1, 2]
        await made.make(EditEntry(1, "white tea", None, TOKENS))
        await made.make(DeleteEntries([2], forget=False))
        assert await made.indexed() == [1]
        await made.make(Undo())
        assert await made.indexed() == [1, 2]
        assert made.reports == [1, 2, 3, 4]


async def test_a_request_sent_again_is_answered_from_what_is_stored(tmp_path: Path) -> None:
    async with pipelined(tmp_path) as made:
        first = await made.make(adding("green tea"), request_id="r-1", if_match=0)
        encoded = len(made.bench.calls)
        assert await made.make(adding("green tea"), request_id="r-1", if_match=0) == first
        assert len(made.bench.calls) == encoded
        assert made.base.reads.revision == 1


async def test_a_condition_that_does_not_hold_is_refused_before_anything_is_encoded(tmp_path: Path) -> None:
    async with pipelined(tmp_path) as made:
        with pytest.raises(RevisionChanged):
            await made.make(adding("green tea"), if_match=7)
        assert made.bench.calls == []


async def test_vectors_that_are_missing_at_the_commit_are_made_then(tmp_path: Path) -> None:
    async with pipelined(tmp_path) as made:
        committed = await made.changes.commit(adding("green tea"), Caller(None, "user:demo"), NewVectors())
        assert committed.added == [1]
        assert made.bench.calls == [["green tea"]]
        assert await made.indexed() == [1]


async def test_the_vectors_of_many_texts_are_stored_as_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "_STAGE", 4)
    async with pipelined(tmp_path) as made:
        edit = SetTexts([f"text number {number}" for number in range(10)], TOKENS)
        seen: list[tuple[int, int]] = []
        prepared = await made.changes.prepare(edit, Caller(None, "user:demo"))
        vectors = await made.changes.encode(prepared.texts, lambda done, total: seen.append((done, total)))
        assert (vectors.by_text, seen) == ({}, [(4, 10), (8, 10), (10, 10)])
        assert made.base.vectors.missing(edit.texts, made.bench.backend.fingerprint) == []
        encoded = len(made.bench.calls)
        await made.changes.commit(edit, Caller(None, "user:demo"), vectors)
        assert len(made.bench.calls) == encoded
        assert len(contents(made.base)) == 10
        assert await made.indexed() == list(range(1, 11))


async def test_an_answer_that_is_refused_leaves_nothing(tmp_path: Path) -> None:
    async with pipelined(tmp_path) as made:
        await made.make(adding("green tea"))
        with pytest.raises(UnknownEntry):
            await made.make(DeleteEntries([9], forget=False, all_known=True), request_id="r-1")
        assert made.base.reads.answer("r-1") is None
        assert (await made.make(DeleteEntries([9, 1], forget=False)))["unknown"] == [9]
        assert await made.indexed() == []
