"""Reading and changing entries, the history and undo: `…/entries`, `…/history`, `…/undo`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pydantic import BaseModel
from pydantic_core import to_json

from daemon.core import wire
from daemon.core.errors import NotFound, UnknownEntry
from daemon.encoder.changes.pipeline import Changes, Reply, Who, texts_of
from daemon.encoder.http.messages import Answer, Request, answer
from daemon.encoder.knowledge import Committed, Knowledge

PAGE = 100
MAX_PAGE = 1000
_MAX_ID = 2**63 - 1


class Entries:
    def __init__(self, knowledge: Knowledge, changes: Changes, max_tokens: int) -> None:
        """The model reads so many tokens of an entry."""
        self._knowledge = knowledge
        self._changes = changes
        self._max_tokens = max_tokens

    # --- reading ---

    async def page(self, request: Request) -> Answer:
        after = request.integer("after", None, 0, _MAX_ID)
        limit = request.integer("limit", PAGE, 1, MAX_PAGE) or PAGE
        q = request.parameter("q")
        return answer(await self._changes.read(lambda: self._knowledge.page(after, limit, q)))

    async def get(self, request: Request) -> Answer:
        id_ = entry_id(request)
        return answer(await self._changes.read(lambda: self._knowledge.get(id_)))

    async def history(self, request: Request) -> Answer:
        after = request.integer("after", None, 0, _MAX_ID)
        limit = request.integer("limit", PAGE, 1, MAX_PAGE) or PAGE
        return answer(await self._changes.read(lambda: self._knowledge.history(after, limit)))

    # --- changing ---

    async def add(self, request: Request) -> Answer:
        entries = (await request.json(wire.AddEntries, self._changes.read)).entries
        knowledge = self._knowledge
        return _whole(
            await self._changes.change(
                Who.of(request),
                needed=lambda: texts_of(knowledge, entries),
                do=lambda context: knowledge.add(entries, context),
                reply=_reply(partial(added, max_tokens=self._max_tokens), 201),
            )
        )

    async def set(self, request: Request) -> Answer:
        texts = (await request.json(wire.SetTexts, self._changes.read)).texts
        if request.flag("dry_run"):
            return answer(await self._changes.read(lambda: self._would_set(texts)))
        return _whole(await self._set_texts(Who.of(request), texts))

    async def _set_texts(self, who: Who, texts: list[str]) -> Reply:
        knowledge = self._knowledge
        return await self._changes.change(
            who,
            needed=lambda: knowledge.diff(texts).added,
            do=lambda context: knowledge.set_texts(texts, context),
            reply=_reply(partial(set_result, max_tokens=self._max_tokens)),
        )

    def _would_set(self, texts: list[str]) -> wire.SetResult:
        found = self._knowledge.diff(texts)
        return wire.SetResult(
            added=len(found.added),
            removed=len(found.removed),
            unchanged=len(found.unchanged),
            refused=found.refused,
            revision=self._knowledge.revision,
        )

    async def edit(self, request: Request) -> Answer:
        id_ = entry_id(request)
        asked = await request.json(wire.EditEntry)
        knowledge = self._knowledge
        texts = [] if asked.text is None else [wire.NewEntry(text=asked.text)]
        return _whole(
            await self._changes.change(
                Who.of(request),
                needed=lambda: texts_of(knowledge, texts),
                do=lambda context: knowledge.edit(id_, asked.text, asked.metadata, context),
                reply=_reply(partial(_edited, max_tokens=self._max_tokens)),
            )
        )

    async def delete(self, request: Request) -> Answer:
        """One entry; an unknown one is 404."""
        id_ = entry_id(request)
        forget = request.flag("forget")
        return _whole(await self._delete(request, [id_], forget, partial(_deleted_one, id_)))

    async def delete_many(self, request: Request) -> Answer:
        asked = await request.json(wire.DeleteEntries, self._changes.read)
        return _whole(await self._delete(request, asked.ids, asked.forget, deleted))

    async def _delete(
        self, request: Request, ids: list[int], forget: bool, result: Callable[[Committed], BaseModel]
    ) -> Reply:
        return await self._changes.change(
            Who.of(request),
            needed=list,
            do=lambda context: self._knowledge.delete(ids, forget, context),
            reply=_reply(result),
        )

    async def undo(self, request: Request) -> Answer:
        reply = _reply(_change)
        return _whole(await self._changes.change(Who.of(request), list, self._knowledge.undo, reply))


def entry_id(request: Request) -> int:
    """Raises NotFound when the path's id can't be one."""
    raw = request.part
    if not (raw.isascii() and raw.isdecimal() and len(raw) < 20 and int(raw) <= _MAX_ID):
        raise UnknownEntry(f"cannot find the entry {wire.shorten(raw, 40)}: an entry's id is a number")
    return int(raw)


def _whole(reply: Reply) -> Answer:
    return Answer(reply[1], status=reply[0])


def _reply(result: Callable[[Committed], BaseModel], status: int = 200) -> Callable[[Committed], Reply]:
    return lambda committed: (status, to_json(result(committed)))


def warnings(cut: int, max_tokens: int) -> dict[str, str]:
    """In words, by kind: what somebody should know about a change that was made."""
    if not cut:
        return {}
    texts, they = ("1 text", "it is") if cut == 1 else (f"{cut} texts", "they are")
    return {
        "texts-cut": f"{texts} cut at {max_tokens} tokens (encoder.max_tokens): {they} found by the beginning alone"
    }


def added(committed: Committed, max_tokens: int) -> wire.Added:
    return wire.Added(
        added=committed.added,
        refused=committed.refused,
        revision=committed.revision,
        warnings=warnings(committed.cut, max_tokens),
    )


def set_result(committed: Committed, max_tokens: int) -> wire.SetResult:
    return wire.SetResult(
        added=len(committed.added),
        removed=len(committed.removed),
        unchanged=committed.unchanged,
        refused=committed.refused,
        revision=committed.revision,
        warnings=warnings(committed.cut, max_tokens),
    )


def deleted(committed: Committed) -> wire.Deleted:
    gone = sorted([*committed.removed, *committed.forgotten])
    return wire.Deleted(deleted=gone, unknown=committed.unknown, revision=committed.revision)


def _deleted_one(id_: int, committed: Committed) -> wire.Deleted:
    """Raising inside the transaction takes it back; nothing was changed anyway."""
    if committed.unknown:
        raise UnknownEntry(f"cannot delete the entry {id_}: it was deleted or never existed; list the entries", id=id_)
    return deleted(committed)


def _edited(committed: Committed, max_tokens: int) -> wire.Edited:
    if committed.entry is None:
        raise NotFound("cannot show the entry: it is gone")
    return wire.Edited(**vars(committed.entry), warnings=warnings(committed.cut, max_tokens))


def _change(committed: Committed) -> wire.Change:
    if committed.change is None:
        raise NotFound("cannot show the change: it is gone")
    return committed.change
