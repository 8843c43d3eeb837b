"""The stored vectors of a base: which there are, which are missing, and storing more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from sqlite3 import Connection

from daemon.encoder.arrays import Ids, Matrix, Vector
from daemon.encoder.knowledge.file.database import Database
from daemon.encoder.knowledge.model import MissingVectors
from daemon.encoder.knowledge.reads import entries
from daemon.encoder.knowledge.texts import digest, normalise
from daemon.encoder.knowledge.vectors import bulk, disk, rows, unused
from daemon.encoder.knowledge.vectors.bulk import Memory
from daemon.encoder.knowledge.vectors.make_room import Room


class Vectors:
    """Vectors by text and fingerprint; any thread may call."""

    def __init__(self, database: Database, room: Room) -> None:
        self._database = database
        self._room = room

    # --- of some texts ---

    def missing(self, texts: Iterable[str], fingerprint: str) -> list[str]:
        """Find the texts (normalised, each once) that have no stored vector of this fingerprint."""
        distinct = {digest(text): text for text in map(normalise, texts)}
        with self._database.read() as db:
            known = rows.known_fingerprint(db, fingerprint)
            stored = rows.present(db, known[0], list(distinct)) if known else set()
        return [text for key, text in distinct.items() if key not in stored]

    def stage(self, texts: Sequence[str], vectors: Matrix, fingerprint: str) -> None:
        """Commit vectors of shape (len(texts), dimension) ahead of the change that needs them."""
        self._store(lambda db: rows.stage(db, [normalise(text) for text in texts], vectors, fingerprint))

    def give(self, texts: Sequence[str], vectors: Matrix, fingerprint: str) -> None:
        """Commit vectors of shape (len(texts), dimension) of entries; a text that is none any more gets none."""
        self._store(lambda db: rows.give(db, texts, vectors, fingerprint))

    def _store(self, store: Callable[[Connection], None]) -> None:
        def attempt() -> None:
            with self._database.write() as db:
                store(db)
                self._database.check_room()

        self._room.attempt(attempt)

    def drop_staged(self) -> None:
        """Remove all staged vectors whose change never came."""
        with self._database.read() as db:
            if not db.execute("SELECT 1 FROM staged LIMIT 1").fetchone():
                return
        with self._database.write(spare=True) as db:
            unused.drop_staged(db, everything=True)

    # --- of entries ---

    def of_entry(self, id_: int, fingerprint: str) -> Vector:
        """Read an entry's vector. Raises UnknownEntry, MissingVectors."""
        with self._database.read() as db:
            known = rows.known_fingerprint(db, fingerprint)
            found = rows.vector_of(db, id_, known[0]) if known else None
            if found is None:
                raise MissingVectors([entries.entry(db, id_).text])
            return found

    def all(self, fingerprint: str, memory: Memory | None = None) -> tuple[Ids, Matrix]:
        """Read ids, ascending, and their vectors, contiguous, in `memory(n)` if that is given."""
        with self._database.read() as db:
            return bulk.all_vectors(db, fingerprint, memory)

    def changes_since(self, revision: int, fingerprint: str) -> list[tuple[int, Vector | None]] | None:
        """Read (id, vector) of all that changed after `revision`; None: too much did, read `all`."""
        with self._database.read() as db:
            return bulk.changes_since(db, revision, fingerprint)

    def without(self, fingerprint: str, after: int = 0, limit: int = 1000) -> list[tuple[int, str]]:
        """Read a page of (id, text) of entries after id `after` that must be encoded yet."""
        with self._database.read() as db:
            return bulk.without_vector(db, fingerprint, after, limit)

    def count_without(self, fingerprint: str) -> int:
        """Count the entries that must be encoded yet."""
        with self._database.read() as db:
            return bulk.count_without_vector(db, fingerprint)

    # --- of other models ---

    def fingerprints(self) -> list[str]:
        """List the fingerprints that vectors have been stored with."""
        with self._database.read() as db:
            return rows.fingerprints(db)

    def derivable(self, source: str, target: str, limit: int) -> list[tuple[str, Vector]]:
        """Read a page of (text, vector of `source`) of entries without a vector of `target`."""
        with self._database.read() as db:
            return bulk.derivable(db, source, target, limit)

    def count_derivable(self, source: str, target: str) -> int:
        """Count the entries that `derivable` tells of."""
        with self._database.read() as db:
            return bulk.count_derivable(db, source, target)

    def bytes_of_others(self, fingerprint: str) -> int:
        """Estimate the bytes that vectors of all other fingerprints take."""
        with self._database.read() as db:
            return disk.disk_bytes_of_others(db, fingerprint)
