"""Reading and changing entries, the history and undo: `…/entries`, `…/history`, `…/undo`."""

from __future__ import annotations

from daemon.core import wire
from daemon.core.errors import UnknownEntry
from daemon.encoder.changes.edits import AddEntries, DeleteEntries, Edit, EditEntry, SetTexts, Undo
from daemon.encoder.changes.pipeline import Caller, Changes
from daemon.encoder.changes.threads import Threads
from daemon.encoder.http.request import Request
from daemon.encoder.http.response import Response, respond
from daemon.encoder.knowledge import Knowledge

PAGE = 100
_MAX_ID = 2**63 - 1


class Entries:
    def __init__(self, knowledge: Knowledge, threads: Threads, changes: Changes, max_tokens: int) -> None:
        """Make the handlers; `max_tokens`: the model reads so many tokens of an entry."""
        self._knowledge = knowledge
        self._threads = threads
        self._changes = changes
        self._max_tokens = max_tokens

    # --- reading ---

    async def page(self, request: Request) -> Response:
        after, limit = _place(request)
        q = request.parameter("q")
        return respond(await self._threads.read(lambda: self._knowledge.reads.page(after, limit, q)))

    async def get(self, request: Request) -> Response:
        id_ = entry_id(request)
        return respond(await self._threads.read(lambda: self._knowledge.reads.entry(id_)))

    async def history(self, request: Request) -> Response:
        after, limit = _place(request)
        return respond(await self._threads.read(lambda: self._knowledge.reads.history(after, limit)))

    # --- changes ---

    async def add(self, request: Request) -> Response:
        asked = await request.json(wire.AddEntries, self._threads.read)
        return await self._make(request, AddEntries(asked.entries, self._max_tokens))

    async def set(self, request: Request) -> Response:
        asked = await request.json(wire.SetTexts, self._threads.read)
        if request.flag("dry_run"):
            return respond(await self._threads.read(lambda: self._would_set(asked.texts)))
        return await self._make(request, SetTexts(asked.texts, self._max_tokens))

    def _would_set(self, texts: list[str]) -> wire.SetResult:
        found = self._knowledge.writes.diff(texts)
        return wire.SetResult(
            added=len(found.added),
            removed=len(found.removed),
            unchanged=len(found.unchanged),
            refused=found.refused,
            revision=self._knowledge.reads.revision,
        )

    async def edit(self, request: Request) -> Response:
        id_ = entry_id(request)
        asked = await request.json(wire.EditEntry)
        return await self._make(request, EditEntry(id_, asked.text, asked.metadata, self._max_tokens))

    async def delete(self, request: Request) -> Response:
        """Delete one entry; an unknown one is 404."""
        id_ = entry_id(request)
        return await self._make(request, DeleteEntries([id_], request.flag("forget"), all_known=True))

    async def delete_many(self, request: Request) -> Response:
        asked = await request.json(wire.DeleteEntries, self._threads.read)
        return await self._make(request, DeleteEntries(asked.ids, asked.forget))

    async def undo(self, request: Request) -> Response:
        return await self._make(request, Undo())

    async def _make(self, request: Request, edit: Edit) -> Response:
        status, body = await self._changes.make(edit, Caller.of(request))
        return Response(body, status=status)


def _place(request: Request) -> tuple[int | None, int]:
    """Read the parameters `after` and `limit`. Raises Invalid."""
    return request.integer("after", None, 0, _MAX_ID), request.integer("limit", PAGE, 1, wire.MAX_PAGE) or PAGE


def entry_id(request: Request) -> int:
    """Read the entry's id from the path. Raises UnknownEntry for what can't be one."""
    raw = request.part
    if not (raw.isascii() and raw.isdecimal() and len(raw) < 20 and int(raw) <= _MAX_ID):
        raise UnknownEntry(f"cannot find the entry {wire.shorten(raw, 40)}: an entry's id is a number")
    return int(raw)
