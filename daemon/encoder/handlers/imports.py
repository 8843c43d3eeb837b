"""POST …/import: an operation that adds a file's entries chunk by chunk, or makes the base equal to it."""

from __future__ import annotations

import asyncio
import io
from collections import deque
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from daemon.core import formats, wire
from daemon.core.errors import Invalid
from daemon.encoder.changes.edits import AddEntries, Edit, SetTexts
from daemon.encoder.changes.operations import Handle, Operations, finished, new_id, shown
from daemon.encoder.changes.pipeline import Caller, Changes, NewVectors
from daemon.encoder.changes.threads import Threads
from daemon.encoder.handlers.import_chunks import Chunk, Tally
from daemon.encoder.http.request import Request, refuse
from daemon.encoder.http.response import Response
from daemon.encoder.knowledge import Committed, Knowledge, entry_files
from daemon.encoder.knowledge.changes.condition import require_revision

CHUNK = 256  # entries committed at a time; edits get in between
AHEAD = 3  # chunks on their way to the model while one is committed


class Imports:
    def __init__(
        self, knowledge: Knowledge, threads: Threads, changes: Changes, operations: Operations, max_tokens: int
    ) -> None:
        self._knowledge = knowledge
        self._threads = threads
        self._changes = changes
        self._operations = operations
        self._max_tokens = max_tokens

    async def start(self, request: Request) -> Response:
        """Read the whole file once before anything changes: an unreadable one is refused as a whole."""
        id_ = new_id(request.request_id)
        if known := await self._operations.known(id_):
            return shown(known, 202)
        mode = request.parameter("mode") or "add"
        if mode not in ("add", "set"):
            raise refuse("mode", mode, "add or set")
        caller = replace(Caller.of(request), request_id=None, kind="import")
        require_revision("import", caller.if_match, self._knowledge.reads.revision)
        body = await request.body()
        content_type = request.header(b"content-type") or formats.DEFAULT.media_type
        total = await self._threads.read(lambda: _count(body, content_type, with_metadata=mode == "add"))
        file = _File(body, content_type, total)
        tally = Tally(revision=self._knowledge.reads.revision)
        job = _Import(self._threads, self._changes, caller, file, tally, self._max_tokens)
        adds = mode == "add"
        begun = await self._operations.begin("import", id_, job.add if adds else job.set, stores_itself=adds)
        return shown(begun, 202)


def _count(body: bytes, content_type: str, *, with_metadata: bool) -> int:
    """Count the entries of a file. Raises Invalid and the errors of `entry_files.read`."""
    total = 0
    for item in entry_files.read(io.BytesIO(body), content_type):
        total += 1
        if not with_metadata and isinstance(item, tuple) and item[1].metadata:
            raise Invalid(
                f"cannot set the base to this file: line {item[0]} has metadata, and mode=set takes texts alone; "
                "remove the metadata, or use mode=add",
                field="metadata",
                value=wire.shorten(item[1].metadata, 60),
                allowed="no metadata",
                line=item[0],
            )
    return total


@dataclass(frozen=True)
class _File:
    """A file that was read once already, and found readable; `total` counts its entries."""

    body: bytes
    content_type: str
    total: int

    def items(self) -> Iterator[entry_files.Item]:
        return entry_files.read(io.BytesIO(self.body), self.content_type)


class _Import:
    """One running import. The next chunks are encoded while one is committed."""

    def __init__(
        self,
        threads: Threads,
        changes: Changes,
        caller: Caller,
        file: _File,
        tally: Tally,
        max_tokens: int,
    ) -> None:
        self._threads = threads
        self._changes = changes
        self._caller = caller
        self._file = file
        self._total = file.total
        self._tally = tally
        self._max_tokens = max_tokens
        self._reading = asyncio.Lock()

    async def add(self, handle: Handle) -> dict[str, Any]:
        items = self._file.items()
        handle.progress(0, self._total)
        done = 0
        ahead = deque(asyncio.create_task(self._prepare(items)) for _ in range(AHEAD))
        try:
            while done < self._total:
                chunk, edit, vectors = await ahead[0]
                ahead.popleft()
                ahead.append(asyncio.create_task(self._prepare(items)))
                done += len(chunk)
                commit = self._commit(handle, chunk, edit, vectors, done)
                await (_whole if done < self._total else finished)(commit)
                handle.progress(done, self._total)
        finally:
            for task in ahead:
                task.cancel()
            await asyncio.gather(*ahead, return_exceptions=True)
            handle.result(self._tally.result())  # of a cancelled import, too
        return self._tally.result()

    async def _prepare(self, items: Iterator[entry_files.Item]) -> tuple[Chunk, Edit, NewVectors]:
        """Read the next chunk and encode it; its condition is checked when it is committed."""
        async with self._reading:
            chunk = Chunk.of(await self._threads.read(lambda: list(islice(items, CHUNK))))
        edit = AddEntries(chunk.entries, self._max_tokens)
        prepared = await self._changes.prepare(edit, replace(self._caller, if_match=None))
        return chunk, edit, await self._changes.encode(prepared.texts)

    async def set(self, handle: Handle) -> dict[str, Any]:
        items = self._file.items()
        chunk = Chunk.of(await self._threads.read(lambda: list(items)))
        edit = SetTexts([entry.text for entry in chunk.entries], self._max_tokens)
        handle.progress(0, self._total)
        prepared = await self._changes.prepare(edit, self._caller)
        vectors = await self._changes.encode(prepared.texts, handle.progress)
        await finished(self._commit(handle, chunk, edit, vectors, self._total))
        handle.progress(self._total, self._total)
        return self._tally.result()

    async def _commit(self, handle: Handle, chunk: Chunk, edit: Edit, vectors: NewVectors, done: int) -> None:
        """Commit a chunk, and store the operation with it: after a kill its result is what the base has."""

        def operation(committed: Committed) -> wire.Operation:
            result = self._tally.plus(committed, chunk).result()
            return handle.after(done, self._total, result, ends=done == self._total)

        committed = await self._changes.commit(edit, self._caller, vectors, operation)
        self._caller = replace(self._caller, if_match=None)  # the condition was the first chunk's
        self._tally = self._tally.plus(committed, chunk)


async def _whole(commit: Coroutine[Any, Any, None]) -> None:
    """Finish a commit before a cancellation takes effect: the import's result counts it then."""
    task = asyncio.create_task(commit)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
