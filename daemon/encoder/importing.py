"""POST …/import: an operation that adds a file's entries chunk by chunk, or makes the base equal to it."""

from __future__ import annotations

import asyncio
import io
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from daemon.core import wire
from daemon.core.errors import Invalid, RevisionChanged
from daemon.encoder.changes import Changes, Who, texts_of
from daemon.encoder.http import Answer, Request, refuse
from daemon.encoder.knowledge import Committed, Knowledge, formats
from daemon.encoder.models.backend import Matrix
from daemon.encoder.operations import Handle, Operations, new_id, shown

CHUNK = 256  # entries committed at a time; edits get in between
AHEAD = 3  # chunks on their way to the model while one is committed
SHOWN = 100  # refused entries that the result holds; `refused_total` counts all
_TEXT = formats.TEXT


@dataclass
class Tally:
    """What an import has done so far: the operation's result."""

    added: int = 0
    removed: int = 0
    unchanged: int = 0
    refused: list[wire.Refused] = field(default_factory=list)
    refused_total: int = 0
    revision: int = 0

    def refuse(self, refused: list[wire.Refused]) -> None:
        self.refused.extend(refused[: SHOWN - len(self.refused)])
        self.refused_total += len(refused)

    def result(self) -> dict[str, Any]:
        return {**vars(self), "refused": [refused.model_dump(mode="json") for refused in self.refused]}


@dataclass(frozen=True)
class Chunk:
    """Entries with the file's line of each."""

    lines: list[int]
    entries: list[wire.NewEntry]
    refused: list[wire.Refused]

    @classmethod
    def of(cls, items: list[formats.Item]) -> Chunk:
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
        body, media_type = await request.body(), request.header(b"content-type") or _TEXT
        total = await self._changes.read(lambda: _count(body, media_type, with_metadata=mode == "add"))
        job = _Import(self._knowledge, self._changes, who, body, media_type, total)
        return shown(await self._operations.begin("import", id_, job.add if mode == "add" else job.set), 202)

    def _check_match(self, who: Who) -> None:
        if who.if_match not in (None, self._knowledge.revision):
            raise RevisionChanged(
                f"cannot import: the revision is {self._knowledge.revision}, not {who.if_match} any more; "
                "look at the base again, then repeat the import",
                revision=self._knowledge.revision,
            )


def _count(body: bytes, media_type: str, *, with_metadata: bool) -> int:
    """How many entries the file holds. Raises what `formats.read` raises."""
    total = 0
    for item in formats.read(io.BytesIO(body), media_type):
        total += 1
        if not with_metadata and isinstance(item, tuple) and item[1].metadata:
            raise Invalid(
                f"cannot set the base to this file: line {item[0]} has metadata, and mode=set takes texts alone; "
                "remove the metadata, or use mode=add",
                field="metadata", value=wire.shorten(item[1].metadata, 60), allowed="no metadata", line=item[0],
            )  # fmt: skip
    return total


class _Import:
    """One running import. While a chunk is committed, the next ones are read and encoded: the model never waits."""

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
        items = formats.read(io.BytesIO(self._body), self._media_type)
        handle.progress(0, self._total)
        done = 0
        ahead = deque(asyncio.create_task(self._prepare(items)) for _ in range(AHEAD))
        try:
            while len((prepared := await ahead[0])[0]):
                ahead.popleft()
                ahead.append(asyncio.create_task(self._prepare(items)))
                done += len(prepared[0])
                await _whole(self._commit(*prepared))
                handle.progress(done, self._total)
        finally:
            for task in ahead:
                task.cancel()
            await asyncio.gather(*ahead, return_exceptions=True)
            handle.result(self._tally.result())  # of a cancelled import, too
        return self._tally.result()

    async def _prepare(self, items: Iterator[formats.Item]) -> tuple[Chunk, dict[str, Matrix]]:
        """The next chunk and its vectors; an empty chunk at the end of the file."""
        async with self._reading:
            chunk = Chunk.of(await self._changes.read(lambda: list(islice(items, CHUNK))))
        unconditional = replace(self._who, if_match=None)
        _, vectors = await self._changes.prepare(unconditional, lambda: texts_of(self._knowledge, chunk.entries))
        return chunk, vectors

    async def _commit(self, chunk: Chunk, vectors: dict[str, Matrix]) -> None:
        committed = await self._commit_with(lambda context: self._knowledge.add(chunk.entries, context), vectors)
        self._who = replace(self._who, if_match=None)  # the condition was the first chunk's
        self._tally.added += len(committed.added)
        self._tally.refuse(sorted([*chunk.refused, *chunk.at_lines(committed.refused)], key=lambda r: r.line))
        self._tally.revision = committed.revision

    async def _commit_with(self, do: Callable[..., Committed], vectors: dict[str, Matrix]) -> Committed:
        committed, _ = await self._changes.commit(self._who, do, lambda _: (200, b""), vectors)
        return committed

    async def set(self, handle: Handle) -> dict[str, Any]:
        items = formats.read(io.BytesIO(self._body), self._media_type)
        chunk = Chunk.of(await self._changes.read(lambda: list(items)))
        texts = [entry.text for entry in chunk.entries]
        handle.progress(0, self._total)
        _, vectors = await self._changes.prepare(
            self._who, lambda: self._knowledge.diff(texts).added, progress=handle.progress
        )
        committed = await self._commit_with(lambda context: self._knowledge.set_texts(texts, context), vectors)
        tally = self._tally
        tally.added, tally.removed, tally.unchanged = (
            len(committed.added), len(committed.removed), committed.unchanged,
        )  # fmt: skip
        tally.refuse(sorted([*chunk.refused, *chunk.at_lines(committed.refused)], key=lambda r: r.line))
        tally.revision = committed.revision
        handle.progress(self._total, self._total)
        return tally.result()


async def _whole(commit: Coroutine[Any, Any, None]) -> None:
    """A cancelled import ends between two commits, and its result counts the last one."""
    task = asyncio.create_task(commit)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
