"""The kinds of change: for each one the texts that it brings in, what it does to the base, and its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pydantic import BaseModel
from pydantic_core import to_json

from daemon.core import wire
from daemon.core.errors import NotFound, UnknownEntry
from daemon.encoder.encoding.cut import cut_warnings
from daemon.encoder.knowledge import Committed, Reply, WriteContext
from daemon.encoder.knowledge.changes.writes import Writes


class Edit(Protocol):
    def new_texts(self, writes: Writes) -> Sequence[str]:
        """List the texts that need a vector before the change can be made."""
        ...

    def apply(self, writes: Writes, context: WriteContext) -> Committed:
        """Make the change, in one transaction."""
        ...

    def answer(self, committed: Committed) -> Reply:
        """Write the answer, inside the transaction: an error that it raises takes the change back."""
        ...


@dataclass(frozen=True)
class AddEntries:
    """New entries; `max_tokens`: the model reads so many tokens of one."""

    entries: Sequence[wire.NewEntry]
    max_tokens: int

    def new_texts(self, writes: Writes) -> Sequence[str]:
        return writes.check(self.entries).texts

    def apply(self, writes: Writes, context: WriteContext) -> Committed:
        return writes.add(self.entries, context)

    def answer(self, committed: Committed) -> Reply:
        added = wire.Added(
            added=committed.added,
            refused=committed.refused,
            revision=committed.revision,
            warnings=cut_warnings(committed.cut, self.max_tokens),
        )
        return _reply(added, 201)


@dataclass(frozen=True)
class SetTexts:
    texts: Sequence[str]
    max_tokens: int

    def new_texts(self, writes: Writes) -> Sequence[str]:
        return writes.diff(self.texts).added

    def apply(self, writes: Writes, context: WriteContext) -> Committed:
        return writes.set_texts(self.texts, context)

    def answer(self, committed: Committed) -> Reply:
        result = wire.SetResult(
            added=len(committed.added),
            removed=len(committed.removed),
            unchanged=committed.unchanged,
            refused=committed.refused,
            revision=committed.revision,
            warnings=cut_warnings(committed.cut, self.max_tokens),
        )
        return _reply(result)


@dataclass(frozen=True)
class EditEntry:
    id: int
    text: str | None
    metadata: wire.Metadata | None
    max_tokens: int

    def new_texts(self, writes: Writes) -> Sequence[str]:
        return [] if self.text is None else writes.check([wire.NewEntry(text=self.text)]).texts

    def apply(self, writes: Writes, context: WriteContext) -> Committed:
        return writes.edit(self.id, self.text, self.metadata, context)

    def answer(self, committed: Committed) -> Reply:
        if committed.entry is None:
            raise NotFound("cannot show the entry: it is gone")
        warnings = cut_warnings(committed.cut, self.max_tokens)
        return _reply(wire.Edited(**vars(committed.entry), warnings=warnings))


@dataclass(frozen=True)
class DeleteEntries:
    """Entries to delete; `all_known`: an unknown id is refused instead of listed in the answer."""

    ids: Sequence[int]
    forget: bool
    all_known: bool = False

    def new_texts(self, _writes: Writes) -> Sequence[str]:
        return []

    def apply(self, writes: Writes, context: WriteContext) -> Committed:
        return writes.delete(self.ids, self.forget, context)

    def answer(self, committed: Committed) -> Reply:
        if committed.unknown and self.all_known:
            id_ = committed.unknown[0]
            raise UnknownEntry(
                f"cannot delete the entry {id_}: it was deleted or never existed; list the entries", id=id_
            )
        gone = sorted([*committed.removed, *committed.forgotten])
        return _reply(wire.Deleted(deleted=gone, unknown=committed.unknown, revision=committed.revision))


@dataclass(frozen=True)
class Undo:
    def new_texts(self, _writes: Writes) -> Sequence[str]:
        return []

    def apply(self, writes: Writes, context: WriteContext) -> Committed:
        return writes.undo(context)

    def answer(self, committed: Committed) -> Reply:
        if committed.change is None:
            raise NotFound("cannot show the change: it is gone")
        return _reply(committed.change)


def _reply(result: BaseModel, status: int = 200) -> Reply:
    return status, to_json(result)
