"""POST …/import: an operation that adds a file's entries chunk by chunk, or makes the base equal to it."""

from __future__ import annotations

import asyncio
import io
from collections import deque
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

from daemon.core import formats, wire
from daemon.core.errors import Invalid, RevisionChanged
from daemon.encoder.changes.operations import Handle, Operations, finished, new_id, shown
from daemon.encoder.changes.pipeline import Changes, Do, Vectors, Who, texts_of
from daemon.encoder.http.messages import Answer, Request, refuse
from daemon.encoder.knowledge import Committed, Knowledge, entry_files

CHUNK = 256  # entries committed at a time; edits get in between
AHEAD = 3  # chunks on their way to the model while one is committed
SHOWN = 100  # refused entries that the result holds; `refused_total` counts all


@dataclass(frozen=True)
class Tally:
    """What an import has done so far: the operation's result."""

    added: int = 0
    removed: int = 0
    unchanged: int = 0
    refused: tuple[wire.Refused, ...] = ()
    refused_total: int = 0
    cut: int = 0
    revision: int = 0

    def plus(self, committed: Committed, chunk: Chunk) -> Tally:
        """After this chunk's commit."""
        refused = sorted([*chunk.refused, *chunk.at_lines(committed.refused)], key=lambda refused: refused.line)
        return Tally(
            self.added + len(committed.added),
            self.removed + len(committed.removed),
            self.unchanged + committed.unchanged,
            (*self.refused, *refused[: SHOWN - len(self.refused)]),
            self.refused_total + len(refused),
            self.cut + committed.cut,
            committed.revision,
        )

    def result(self) -> dict[str, Any]:
        return {**vars(self), "refused": [refused.model_dump(mode="json") for refused in self.refused]}


@dataclass(frozen=True)
class Chunk:
    """Entries with the file's line of each."""

    lines: list[int]
    entries: list[wire.NewEntry]
    refused: list[wire.Refused]

    @classmethod
    def of(cls, items: list[entry_files.Item]) -> Chunk:
        sound = [item for item in items if isinstance(item, tuple)]
        refused = [item for item in items if isinstance(item, wire.Refused)]
        return cls([line for line, _ in sound], [entry for _, entry in sound], refused)

    def at_lines(self, refused: list[wire.Refused]) -> list[wire.Refused]:
        """Refusals that count within the chunk, with the file's lines."""
        return [found.model_copy(update={"line": self.lines[found.line - 1]}) for found in refused]

    def __len__(self) -> int:
        return len(self.lines) + len(self.refused)


class Importing:
    def __init__(self, knowledge: Knowledge, changes: Changes, operations: Operations) -> None:
        self._knowledge = knowledge
        self._changes = changes
        self._operations = operations

    async def start(self, request: Request) -> Answer:
        """The whole file is read once before anything changes: an unreadable one is refused as a whole."""
        id_ = new_id(request.request_id)
        if known := await self._operations.known(id_):
            return shown(known, 202)
        mode = request.parameter("mode") or "add"
        if mode not in ("add", "set"):
            raise refuse("mode", mode, "add or set")
        who = replace(Who.of(request), request_id=None, kind="import")
        self._check_match(who)
        body, media_type = await request.body(), request.header(b"content-type") or formats.DEFAULT.media_type
        total = await self._changes.read(lambda: _count(body, media_type, with_metadata=mode == "add"))
        job = _Import(self._knowledge, self._changes, who, body, media_type, total)
        adds = mode == "add"
        begun = await self._operations.begin("import", id_, job.add if adds else job.set, stores_itself=adds)
        return shown(begun, 202)

    def _check_match(self, who: Who) -> None:
        if who.if_match not in (None, self._knowledge.revision):
            raise RevisionChanged(
                f"cannot import: the revision is {self._knowledge.revision}, not {who.if_match} any more; "
                "look at the base again, then repeat the import",
                revision=self._knowledge.revision,
            )


def _count(body: bytes, media_type: str, *, with_metadata: bool) -> int:
    """How many entries the file holds. Raises what `entry_files.read` raises."""
    total = 0
    for item in entry_files.read(io.BytesIO(body), media_type):
        total += 1
        if not with_metadata and isinstance(item, tuple) and item[1].metadata:
            raise Invalid(
                f"cannot set the base to this file: line {item[0]} has metadata, and mode=set takes texts alone; "
                "remove the metadata, or use mode=add",
                field="metadata", value=wire.shorten(item[1].metadata, 60), allowed="no metadata", line=item[0],
            )  # fmt: skip
    return total


class _Import:
    """One running import. The next chunk is encoded while one is committed."""

    def __init__(
        self, knowledge: Knowledge, changes: Changes, who: Who, body: bytes, media_type: str, total: int
    ) -> None:
        self._knowledge = knowledge
        self._changes = changes
        self._who = who
        self._body = body
        self._media_type = media_type
        self._total = total
        self._tally = Tally(revision=knowledge.revision)
        self._reading = asyncio.Lock()

    async def add(self, handle: Handle) -> dict[str, Any]:
        items = entry_files.read(io.BytesIO(self._body), self._media_type)
        handle.progress(0, self._total)
        done = 0
        ahead = deque(asyncio.create_task(self._prepare(items)) for _ in range(AHEAD))
        try:
            while done < self._total:
                chunk, vectors = await ahead[0]
                ahead.popleft()
                ahead.append(asyncio.create_task(self._prepare(items)))
                done += len(chunk)
                commit = self._commit(handle, chunk, vectors, done, partial(self._knowledge.add, chunk.entries))
                await (_whole if done < self._total else finished)(commit)
                handle.progress(done, self._total)
        finally:
            for task in ahead:
                task.cancel()
            await asyncio.gather(*ahead, return_exceptions=True)
            handle.result(self._tally.result())  # of a cancelled import, too
        return self._tally.result()

    async def _prepare(self, items: Iterator[entry_files.Item]) -> tuple[Chunk, Vectors]:
        """The next chunk and its vectors."""
        async with self._reading:
            chunk = Chunk.of(await self._changes.read(lambda: list(islice(items, CHUNK))))
        unconditional = replace(self._who, if_match=None)
        _, vectors = await self._changes.prepare(unconditional, lambda: texts_of(self._knowledge, chunk.entries))
        return chunk, vectors

    async def _commit(self, handle: Handle, chunk: Chunk, vectors: Vectors, done: int, do: Do) -> None:
        """The operation is stored with the change: after a kill its result is what the base has."""

        def operation(committed: Committed) -> wire.Operation:
            result = self._tally.plus(committed, chunk).result()
            return handle.after(done, self._total, result, ends=done == self._total)

        committed, _ = await self._changes.commit(self._who, do, lambda _: (200, b""), vectors, operation)
        self._who = replace(self._who, if_match=None)  # the condition was the first chunk's
        self._tally = self._tally.plus(committed, chunk)

    async def set(self, handle: Handle) -> dict[str, Any]:
        items = entry_files.read(io.BytesIO(self._body), self._media_type)
        chunk = Chunk.of(await self._changes.read(lambda: list(items)))
        texts = [entry.text for entry in chunk.entries]
        handle.progress(0, self._total)
        _, vectors = await self._changes.prepare(
            self._who, lambda: self._knowledge.diff(texts).added, progress=handle.progress
        )
        do = partial(self._knowledge.set_texts, texts)
        await finished(self._commit(handle, chunk, vectors, self._total, do))
        handle.progress(self._total, self._total)
        return self._tally.result()


async def _whole(commit: Coroutine[Any, Any, None]) -> None:
    """A cancelled import ends between two commits, and its result counts the last one."""
    task = asyncio.create_task(commit)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
