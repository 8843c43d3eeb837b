"""One tenant's knowledge base: the open file, and what reads and changes it."""

from __future__ import annotations

from pathlib import Path

from daemon.core.errors import DiskFull
from daemon.encoder.knowledge.changes.writes import Writes
from daemon.encoder.knowledge.file.database import Database
from daemon.encoder.knowledge.operations import StoredOperations
from daemon.encoder.knowledge.reads.reads import Reads
from daemon.encoder.knowledge.vectors.make_room import Room
from daemon.encoder.knowledge.vectors.old_vectors import OldVectors
from daemon.encoder.knowledge.vectors.vectors import Vectors


class Knowledge:
    """The parts of a base, over one database. Any thread may call them; changes happen one at a time.

    All of them raise DiskFull, StartRefused (the file is damaged) and InternalError besides their own errors.
    """

    def __init__(self, database: Database, *, min_chars: int, history_days: int) -> None:
        self.database = database
        self.old_vectors = OldVectors(database)
        self.operations = StoredOperations(database)
        room = Room(database, self.old_vectors)
        self.reads = Reads(database)
        self.vectors = Vectors(database, room)
        self.writes = Writes(database, self.reads, room, min_chars=min_chars, history_days=history_days)

    @classmethod
    def open(
        cls, path: Path, *, min_chars: int, history_days: int, disk_mb: int | None, beside: bool = False
    ) -> Knowledge:
        """Open, create or migrate the base. Raises StartRefused; a damaged file is left as it is.

        `beside`: another process serves it, whose unfinished work is not tidied up.
        """
        database = Database(path, disk_mb, beside=beside)
        base = cls(database, min_chars=min_chars, history_days=history_days)
        if not beside:
            base._tidy_up()
        return base

    def _tidy_up(self) -> None:
        """End what a killed process left unfinished."""
        try:
            self.operations.mark_interrupted()
            self.vectors.drop_staged()
        except DiskFull:
            pass  # this can wait: a full disk must not keep the tenant from answering searches
        except BaseException:
            self.close()
            raise

    @property
    def path(self) -> Path:
        return self.database.path

    def replace_with(self, path: Path, wait_s: float) -> None:
        """Put the base at `path`, which nobody has open, in this one's place. Raises as Database.replace does."""
        self.database.replace(path, wait_s)
        self.reads.refresh()

    def close(self) -> None:
        self.database.close()
