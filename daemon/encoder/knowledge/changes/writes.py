"""Everything that changes a base: one transaction at a time, its answer stored with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from sqlite3 import Connection

from daemon.core import wire
from daemon.encoder.knowledge import answers, operations
from daemon.encoder.knowledge.changes import apply, diff, plan
from daemon.encoder.knowledge.changes.condition import require_revision
from daemon.encoder.knowledge.changes.plan import Plan
from daemon.encoder.knowledge.erasure import finish, forget
from daemon.encoder.knowledge.file import meta
from daemon.encoder.knowledge.file.database import Database
from daemon.encoder.knowledge.file.meta import BaseCounter, Mark
from daemon.encoder.knowledge.model import Checked, Committed, Diff, WriteContext
from daemon.encoder.knowledge.reads.reads import Reads
from daemon.encoder.knowledge.texts import microseconds
from daemon.encoder.knowledge.vectors.make_room import Room


class Writes:
    """Changes of the knowledge base; any thread may call.

    All changes raise RevisionChanged, MissingVectors and DiskFull besides their own errors.
    """

    def __init__(self, database: Database, reads: Reads, room: Room, *, min_chars: int, history_days: int) -> None:
        self._database = database
        self._reads = reads
        self._room = room
        self._min_chars = min_chars
        self._history_days = history_days

    # --- before a change ---

    def check(self, entries: Sequence[wire.NewEntry]) -> Checked:
        """Sort new entries into those that the base would take and those that it refuses."""
        with self._database.read() as db:
            return diff.check(db, entries, self._min_chars)

    def diff(self, texts: Sequence[str]) -> Diff:
        """Compare the base with a list of texts that it is to become."""
        with self._database.read() as db:
            return diff.diff(db, texts, self._min_chars)

    # --- changes ---

    def add(self, entries: Sequence[wire.NewEntry], ctx: WriteContext) -> Committed:
        """Add entries, as they were sent: they are checked again here."""
        return self._change(ctx, lambda db: plan.add(db, entries, self._min_chars))

    def set_texts(self, texts: Sequence[str], ctx: WriteContext) -> Committed:
        """Make the base this list of texts, in one transaction."""
        return self._change(ctx, lambda db: plan.set_texts(db, texts, self._min_chars))

    def edit(self, id_: int, text: str | None, metadata: wire.Metadata | None, ctx: WriteContext) -> Committed:
        """Edit one entry; None leaves a part as it is. Raises UnknownEntry, Duplicate, TooShort, TooLong, Invalid."""
        return self._change(ctx, lambda db: plan.edit(db, id_, text, metadata, self._min_chars))

    def delete(self, ids: Sequence[int], for_good: bool, ctx: WriteContext) -> Committed:
        """Delete entries; `for_good` removes their texts from the history, too, which can't be undone."""
        committed = self._change(ctx, lambda db: plan.delete(db, ids, for_good=for_good), spare=True)
        if for_good:
            finish.finish(self._database)
        return committed

    def undo(self, ctx: WriteContext) -> Committed:
        """Take the last change back. Raises NothingToUndo."""
        return self._change(ctx, plan.undo, spare=True)

    def _change(self, ctx: WriteContext, make: Callable[[Connection], Plan], *, spare: bool = False) -> Committed:
        return self._room.attempt(lambda: self._attempt(ctx, make, spare=spare))

    def _attempt(self, ctx: WriteContext, make: Callable[[Connection], Plan], *, spare: bool) -> Committed:
        with self._database.lock:
            with self._database.write(spare=spare) as db:
                revision = meta.read(db, BaseCounter.REVISION)
                if ctx.request_id is not None and (stored := answers.stored(db, ctx.request_id)):
                    return Committed(revision, answer=stored, replayed=True)
                require_revision("change the knowledge base", ctx.if_match, revision)
                check_room = _bounded_by_sqlite if spare else self._database.check_room
                committed = _record(db, ctx, self._apply(db, ctx, make(db), check_room))
            self._reads.refresh()
        return committed

    def _apply(self, db: Connection, ctx: WriteContext, made: Plan, check_room: Callable[[], None]) -> Committed:
        kind = ctx.kind if ctx.kind and made.kind in ("add", "set") else made.kind
        keep_texts = made.forgets is None and self._history_days > 0
        recording = apply.Recording(kind, ctx.actor, keep_texts, made.undoes)
        applied = apply.apply(db, made.deltas, recording, ctx, check_room)
        if made.forgets:
            forget.scrub(db, *made.forgets)
            _mark_forgotten(db)
        return Committed(
            applied.revision,
            applied.upserts,
            removed=[delta.id for delta in made.deltas if delta.after is None],
            change=applied.change,
            cut=ctx.cut,
            **made.outcome,
        )

    # --- upkeep ---

    @property
    def removal_pending(self) -> bool:
        """True while removed text may still be somewhere in the file."""
        return finish.pending(self._database)

    def purge_history(self, now: datetime | None = None) -> bool:
        """Remove changes past history_days, old answers and operations; says whether text was removed."""
        moment = microseconds(now or datetime.now(UTC))
        with self._database.write(spare=True) as db:
            purged = forget.purge(db, moment, self._history_days)
            if purged:
                meta.set_mark(db, Mark.TEXTS_DUE)
        if self.removal_pending:
            finish.finish(self._database)
        return purged


def _record(db: Connection, ctx: WriteContext, committed: Committed) -> Committed:
    """Make the answer, and store it and the operation with the change."""
    if ctx.answer is not None:
        committed = replace(committed, answer=ctx.answer(committed))
    if ctx.request_id is not None:
        answers.keep(db, ctx.request_id, committed.answer)
    if ctx.operation is not None:
        operations.put(db, ctx.operation(committed))
    return committed


def _mark_forgotten(db: Connection) -> None:
    meta.set_mark(db, Mark.TEXTS_DUE)
    if meta.is_marked(db, Mark.VECTORS_MOVED):
        meta.set_mark(db, Mark.VECTORS_DUE)


def _bounded_by_sqlite() -> None:
    """Check nothing: a change that frees space is bounded by SQLite's page limit alone."""
