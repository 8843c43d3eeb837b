"""One tenant's knowledge base. Every method may be called from any thread; changes happen one at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import Connection
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from daemon.core import wire
from daemon.core.errors import DiskFull, RevisionChanged
from daemon.encoder.knowledge import answers, operations, reading, vectors
from daemon.encoder.knowledge.changes import apply, succession
from daemon.encoder.knowledge.changes import diff as comparing
from daemon.encoder.knowledge.changes import plan as planning
from daemon.encoder.knowledge.changes.plan import Plan
from daemon.encoder.knowledge.changes.succession import Ended, Restored
from daemon.encoder.knowledge.columns import Column, metadata_columns
from daemon.encoder.knowledge.erasure import finish, rewrite
from daemon.encoder.knowledge.erasure import forget as forgetting
from daemon.encoder.knowledge.file.database import Database
from daemon.encoder.knowledge.model import Checked, Committed, Diff, MissingVectors, Vector, WriteContext
from daemon.encoder.knowledge.old_vectors import OldVectors
from daemon.encoder.knowledge.operations import Operations
from daemon.encoder.knowledge.texts import digest, microseconds, normalise

T = TypeVar("T")


class Knowledge:
    """All methods raise DiskFull, StartRefused (the file is damaged) and InternalError besides their own."""

    def __init__(self, database: Database, min_chars: int, history_days: int) -> None:
        self._database = database
        self._min_chars = min_chars
        self._history_days = history_days
        self.operations = Operations(database)
        self.old_vectors = OldVectors(database)
        self._look()

    @classmethod
    def open(
        cls, path: Path, *, min_chars: int, history_days: int, disk_mb: int | None, beside: bool = False
    ) -> Knowledge:
        """Opens, creates or migrates the base. Raises StartRefused; a damaged file is left as it is.

        `beside`: another process serves it, whose unfinished work is not tidied up.
        """
        base = cls(Database(path, disk_mb, beside=beside), min_chars, history_days)
        if beside:
            return base
        try:
            base.operations.mark_interrupted()
            base._drop_staged()
        except DiskFull:
            pass  # cleaning up can wait: a full disk must not keep the tenant from answering searches
        except BaseException:
            base.close()
            raise
        return base

    def watch(self, moved: Callable[[], None]) -> None:
        """`moved` is called again and again while a write makes progress."""
        self._database.watch(moved)

    def close(self) -> None:
        self._database.close()

    def _look(self) -> None:
        with self._database.read() as db:
            self._revision, self._total = reading.meta(db, "revision"), reading.meta(db, "total")

    def _drop_staged(self) -> None:
        with self._database.read() as db:
            if not db.execute("SELECT 1 FROM staged LIMIT 1").fetchone():
                return
        with self._database.write(spare=True) as db:
            vectors.drop_staged(db, everything=True)

    @property
    def path(self) -> Path:
        return self._database.path

    # --- reading ---

    @property
    def revision(self) -> int:
        return self._revision

    @property
    def total(self) -> int:
        """How many entries there are."""
        return self._total

    def page(self, after: int | None, limit: int, q: str | None) -> wire.EntryPage:
        with self._database.read() as db:
            return reading.page(db, after, limit, q)

    def get(self, id_: int) -> wire.Entry:
        """Raises UnknownEntry."""
        with self._database.read() as db:
            return reading.entry(db, id_)

    def get_many(self, ids: Iterable[int]) -> dict[int, wire.Entry]:
        """The entries that exist, by id."""
        with self._database.read() as db:
            return reading.entries_of(db, ids)

    def hits(self, ids: Iterable[int]) -> dict[int, tuple[str, wire.Metadata]]:
        """(text, metadata) of the entries that exist, by id."""
        with self._database.read() as db:
            return reading.hits_of(db, ids)

    def ids_with(self, metadata: wire.Metadata) -> npt.NDArray[np.int64]:
        """Ids of the entries whose metadata has all these values; reads the metadata of every entry."""
        with self._database.read() as db:
            return reading.ids_with(db, metadata)

    def history(self, after: int | None, limit: int) -> wire.HistoryPage:
        """Newest first; `after` is the last page's `next`."""
        with self._database.read() as db:
            return reading.history(db, after, limit)

    def answered(self, request_id: str) -> tuple[int, bytes] | None:
        """The (status, body) with which this request was answered in the last hour."""
        with self._database.read() as db:
            return answers.stored(db, request_id)

    # --- before a change ---

    def check(self, entries: Sequence[wire.NewEntry]) -> Checked:
        with self._database.read() as db:
            return comparing.check(db, entries, self._min_chars)

    def diff(self, texts: Sequence[str]) -> Diff:
        with self._database.read() as db:
            return comparing.diff(db, texts, self._min_chars)

    def missing(self, texts: Iterable[str], fingerprint: str) -> list[str]:
        """Which of these texts (normalised, each once) have no stored vector of this fingerprint."""
        distinct = {digest(text): text for text in map(normalise, texts)}
        with self._database.read() as db:
            known = vectors.known_fingerprint(db, fingerprint)
            stored = vectors.present(db, known[0], list(distinct)) if known else set()
        return [text for key, text in distinct.items() if key not in stored]

    def stage(self, texts: Sequence[str], vectors_: Vector, fingerprint: str) -> None:
        """Commits vectors of shape (len(texts), dimension) ahead of the change that needs them."""
        self._keep(lambda db: vectors.stage(db, [normalise(text) for text in texts], vectors_, fingerprint))

    def give_vectors(self, texts: Sequence[str], vectors_: Vector, fingerprint: str) -> None:
        """Commits vectors of shape (len(texts), dimension) of entries; a text that is none any more gets none."""
        self._keep(lambda db: vectors.give(db, texts, vectors_, fingerprint))

    def _keep(self, store: Callable[[Connection], None]) -> None:
        def attempt() -> None:
            with self._database.write() as db:
                store(db)
                self._database.check_room()

        self._with_room(attempt)

    # --- changes ---

    def add(self, entries: Sequence[wire.NewEntry], ctx: WriteContext) -> Committed:
        """`entries` as they were sent: checked again here. Raises RevisionChanged, MissingVectors."""
        return self._change(ctx, lambda db: planning.add(db, entries, self._min_chars))

    def set_texts(self, texts: Sequence[str], ctx: WriteContext) -> Committed:
        """The base becomes this list, in one transaction."""
        return self._change(ctx, lambda db: planning.set_texts(db, texts, self._min_chars))

    def edit(self, id_: int, text: str | None, metadata: wire.Metadata | None, ctx: WriteContext) -> Committed:
        """Raises UnknownEntry, Duplicate, TooShort, TooLong, Invalid as well."""
        return self._change(ctx, lambda db: planning.edit(db, id_, text, metadata, self._min_chars))

    def delete(self, ids: Sequence[int], forget: bool, ctx: WriteContext) -> Committed:
        """`forget` removes the texts from the history, too, for good: that can't be undone."""
        committed = self._change(ctx, lambda db: planning.delete(db, ids, forget=forget), spare=True)
        if forget:
            finish.finish(self._database)
        return committed

    @property
    def removal_pending(self) -> bool:
        return finish.pending(self._database)

    def undo(self, ctx: WriteContext) -> Committed:
        """Raises NothingToUndo as well."""
        return self._change(ctx, planning.undo, spare=True)

    def _change(self, ctx: WriteContext, plan: Callable[[Connection], Plan], *, spare: bool = False) -> Committed:
        return self._with_room(lambda: self._attempt(ctx, plan, spare=spare))

    def _with_room(self, attempt: Callable[[], T]) -> T:
        try:
            return attempt()
        except DiskFull:
            if not self._make_room():
                raise
            return attempt()

    def _attempt(self, ctx: WriteContext, plan: Callable[[Connection], Plan], *, spare: bool) -> Committed:
        with self._database.lock:
            with self._database.write(spare=spare) as db:
                if ctx.request_id is not None and (stored := answers.stored(db, ctx.request_id)):
                    return Committed(reading.meta(db, "revision"), replayed=stored)
                self._check_match(ctx.if_match, reading.meta(db, "revision"))
                committed = self._apply(db, ctx, plan(db), room=_no_check if spare else self._database.check_room)
                answers.keep(db, ctx, committed)
                if ctx.operation is not None:
                    operations.put(db, ctx.operation(committed))
            self._look()
        return committed

    def _check_match(self, if_match: int | None, revision: int) -> None:
        if if_match not in (None, revision):
            raise RevisionChanged(
                f"cannot change the knowledge base: its revision is {revision}, not {if_match} any more; "
                "look at it again, then repeat the change",
                revision=revision,
            )

    def _apply(self, db: Connection, ctx: WriteContext, plan: Plan, room: Callable[[], None]) -> Committed:
        kind = ctx.kind if ctx.kind and plan.kind in ("add", "set") else plan.kind
        keep = plan.forget is None and self._history_days > 0
        recording = apply.Recording(kind, ctx.actor, keep, plan.undoes)
        applied = apply.apply(db, plan.deltas, recording, ctx, room)
        if plan.forget:
            forgetting.scrub(db, *plan.forget)
            rewrite.mark_due(db)
            rewrite.mark_vectors_due(db)
        return Committed(
            applied.revision,
            applied.upserts,
            removed=[delta.id for delta in plan.deltas if delta.after is None],
            change=applied.change,
            cut=ctx.cut,
            **plan.outcome,
        )

    def _make_room(self) -> bool:
        """Drops vectors that can be made again: another model's, else those that only an undo would use.

        Whether this made room.
        """
        log = self._database.log_size()
        dropped = 0
        with contextlib.suppress(DiskFull):
            dropped = self.old_vectors.drop_some() or self._drop_for_history()
        self._database.truncate_log()
        return dropped > 0 or self._database.log_size() < log

    def _drop_for_history(self) -> int:
        with self._database.write(spare=True) as db:
            return vectors.drop_for_history(db)

    # --- vectors ---

    def vector_of(self, id_: int, fingerprint: str) -> Vector:
        """Shape (dimension,). Raises UnknownEntry, MissingVectors."""
        with self._database.read() as db:
            known = vectors.known_fingerprint(db, fingerprint)
            found = vectors.vector_of(db, id_, known[0]) if known else None
            if found is None:
                raise MissingVectors([reading.entry(db, id_).text])
            return found

    def all_vectors(self, fingerprint: str, room: vectors.Room | None = None) -> tuple[npt.NDArray[np.int64], Vector]:
        """Ids of shape (n,), ascending, and their vectors of shape (n, dimension), contiguous, in `room(n)`."""
        with self._database.read() as db:
            return vectors.all_vectors(db, fingerprint, reading.meta(db, "total"), room)

    def without_vector(self, fingerprint: str, after: int = 0, limit: int = 1000) -> list[tuple[int, str]]:
        """A page of (id, text) of entries after id `after` that must be encoded yet."""
        with self._database.read() as db:
            return vectors.without_vector(db, fingerprint, after, limit)

    def count_without_vector(self, fingerprint: str) -> int:
        with self._database.read() as db:
            return vectors.count_without_vector(db, fingerprint)

    def fingerprints(self) -> list[str]:
        """Those that vectors have been stored with."""
        with self._database.read() as db:
            return vectors.fingerprints(db)

    def derivable(self, source: str, target: str, limit: int) -> list[tuple[str, Vector]]:
        """A page of (text, vector of `source`) of entries without a vector of `target`."""
        with self._database.read() as db:
            return vectors.derivable(db, source, target, limit)

    def count_derivable(self, source: str, target: str) -> int:
        with self._database.read() as db:
            return vectors.count_derivable(db, source, target)

    def changes_since(self, revision: int, fingerprint: str) -> list[tuple[int, Vector | None]] | None:
        """(id, vector) of what changed after `revision`, None for an entry that is gone or has no vector.

        None instead of a list: the history does not reach back that far, or most entries changed;
        read `all_vectors`.
        """
        with self._database.read() as db:
            if not reading.meta(db, "history_floor") <= revision <= reading.meta(db, "revision"):
                return None
            known = vectors.known_fingerprint(db, fingerprint)
            query = "SELECT DISTINCT entry FROM change_entries WHERE revision > ? ORDER BY entry"
            ids = [row[0] for row in db.execute(query, (revision,))]
            if len(ids) > max(1000, self._total // 4):
                return None
            return [(id_, vectors.vector_of(db, id_, known[0]) if known else None) for id_ in ids]

    def room(self) -> int:
        """Bytes that may still be written."""
        return self._database.room()

    def bytes_of_others(self, fingerprint: str) -> int:
        """What vectors of all other fingerprints take, about."""
        with self._database.read() as db:
            return vectors.disk_bytes_of_others(db, fingerprint)

    # --- upkeep ---

    def purge_history(self, now: datetime | None = None) -> bool:
        """Removes changes past history_days, old answers and operations; whether text was removed."""
        moment = microseconds(now or datetime.now(UTC))
        with self._database.write(spare=True) as db:
            purged = forgetting.purge(db, moment, self._history_days)
            if purged:
                rewrite.mark_due(db)
        if self.removal_pending:
            finish.finish(self._database)
        return purged

    def columns(self) -> list[Column]:
        """The metadata columns of a CSV export; reads every entry."""
        with self._database.read() as db:
            return metadata_columns(db)

    def integrity_check(self) -> list[str]:
        """What is wrong with the file, empty if nothing is; reads all of it."""
        with self._database.read() as db:
            found = [str(row[0]) for row in db.execute("PRAGMA integrity_check(20)")]
            texts, damaged = reading.damaged_texts(db), vectors.damaged_vectors(db)
        problems = [] if found == ["ok"] else found
        problems += [f"the text of entry {id_} is damaged" for id_ in texts[:20]]
        return problems + [f"the vector of entry {id_} is damaged" for id_ in damaged[:20]]

    def drop_damaged_vectors(self) -> int:
        """Vectors whose checksum does not match are removed, to be encoded again; returns how many."""
        with self._database.write(spare=True) as db:
            return vectors.drop_damaged(db)

    # --- backup and restore ---

    def backup_to(self, path: Path) -> None:
        """Copies the base as of now into one file, complete or not at all, while it serves."""
        self._database.backup(path)

    def succeeded_by(self, fresh: Knowledge, if_match: int | None, actor: str, ended: Ended) -> Restored:
        """Makes `fresh` this base's successor; `replace_with` must follow without a change of this one in between.

        Raises RevisionChanged.
        """
        with self._database.lock, self._database.read() as old:
            self._check_match(if_match, reading.meta(old, "revision"))
            with fresh._database.write(spare=True) as new:
                return succession.succeed(old, new, actor, ended)

    def replace_with(self, path: Path, wait_s: float) -> None:
        """The base at `path`, which nobody has open, takes this one's place; raises as Database.replace does."""
        self._database.replace(path, wait_s)
        self._look()


def _no_check() -> None:
    """A change that frees space is bounded by SQLite's page limit alone."""
