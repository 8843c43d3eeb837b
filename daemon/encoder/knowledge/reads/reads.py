"""Everything that is read of a base, each in one snapshot of it."""

from __future__ import annotations

from collections.abc import Iterable

from daemon.core import wire
from daemon.encoder.arrays import Ids
from daemon.encoder.knowledge import answers
from daemon.encoder.knowledge.columns import Column, metadata_columns
from daemon.encoder.knowledge.file import meta
from daemon.encoder.knowledge.file.database import Database
from daemon.encoder.knowledge.file.meta import BaseCounter
from daemon.encoder.knowledge.model import Reply
from daemon.encoder.knowledge.reads import entries, filter, history, page


class Reads:
    """Queries of the knowledge base; any thread may call them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.refresh()

    def refresh(self) -> None:
        """Read revision and total anew, after a commit."""
        with self._database.read() as db:
            self._revision, self._total = meta.read(db, BaseCounter.REVISION), meta.read(db, BaseCounter.TOTAL)

    @property
    def revision(self) -> int:
        """The number of the last change."""
        return self._revision

    @property
    def total(self) -> int:
        """The number of entries."""
        return self._total

    def page(self, after: int | None, limit: int, q: str | None) -> wire.EntryPage:
        """Read the entries that follow id `after` and hold `q`."""
        with self._database.read() as db:
            return page.page(db, after, limit, q)

    def entry(self, id_: int) -> wire.Entry:
        """Read one entry. Raises UnknownEntry."""
        with self._database.read() as db:
            return entries.entry(db, id_)

    def hits(self, ids: Iterable[int]) -> dict[int, tuple[str, wire.Metadata]]:
        """Read (text, metadata) of the entries that exist, by id."""
        with self._database.read() as db:
            return entries.hits_of(db, ids)

    def ids_with(self, metadata: wire.Metadata) -> Ids:
        """Find the entries whose metadata has all these values; reads the metadata of every entry."""
        with self._database.read() as db:
            return filter.ids_with(db, metadata)

    def history(self, after: int | None, limit: int) -> wire.HistoryPage:
        """Read changes, newest first; `after` is the last page's `next`."""
        with self._database.read() as db:
            return history.history(db, after, limit)

    def answer(self, request_id: str) -> Reply | None:
        """Look up the answer that this request got, if that was in the last hour."""
        with self._database.read() as db:
            return answers.stored(db, request_id)

    def columns(self) -> list[Column]:
        """List the metadata columns of a CSV export; reads every entry."""
        with self._database.read() as db:
            return metadata_columns(db)
