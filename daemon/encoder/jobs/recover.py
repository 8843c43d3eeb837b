"""`python -m daemon.encoder.jobs.recover`: salvages a damaged base, as the tenant's own user, while no encoder runs.

With `--in-place` the salvaged base takes the damaged one's name, which is kept under another. Without, the salvaged
base follows the first message on standard output, as a backup.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from daemon.core.encoder_protocol.job import Job, Step
from daemon.core.encoder_protocol.recover import Recovered, Salvaged
from daemon.core.errors import Conflict, DiskFull, InternalError, StartRefused
from daemon.core.files import disk, replace
from daemon.core.paths import TenantPaths
from daemon.core.units import MIB
from daemon.encoder.jobs.job import begin, end_with_lifeline, tell, telling_problems
from daemon.encoder.knowledge.file import backup_format, schema, sharing
from daemon.encoder.knowledge.file.backup_manifest import manifest_of
from daemon.encoder.knowledge.salvage.damage import damaged_texts, damaged_vectors
from daemon.encoder.knowledge.salvage.recover import Salvage, recover
from daemon.encoder.process import data_lock

_LOCK_S = 2.0
_SHOWN = 20
_SHOWN_CHARS = 1000


def main() -> int:
    options, _ = begin(Job.RECOVER, lambda parser: parser.add_argument("--in-place", action="store_true"))
    end_with_lifeline()
    with telling_problems(), _translated(options.data):
        if options.in_place:
            tell(recover_in_place(options.data, _progress()))
        else:
            send_salvage(options.data, options.tenant, sys.stdout.buffer)
    return 0


def recover_in_place(data: Path, progress: Callable[[int, int], object]) -> Recovered:
    """Give a salvaged base the damaged one's name; a kill leaves one or the other.

    Raises Conflict for a base that is sound, which would lose its history.
    """
    path = TenantPaths(data, data, data).knowledge_db
    with _locked(data), sharing.alone(path):
        backup_format.sweep(data)
        if is_sound(path):
            raise Conflict(
                f"cannot recover {data.name}: its knowledge base is sound; start it: vecward start {data.name}"
            )
        fresh = backup_format.temporary(data, "recover")
        found = recover(path, fresh, progress)
        kept = _make_way(path)
        replace.rename(fresh, path)
    return _shown(found, kept)


def send_salvage(data: Path, tenant: str, out: BinaryIO) -> None:
    """Write what is readable as a backup; the file itself is only read."""
    path = backup_format.temporary(data, "salvage")
    with _locked(data):
        backup_format.sweep(data)
        try:
            recover(TenantPaths(data, data, data).knowledge_db, path)
            manifest = manifest_of(path, tenant, None)
            file = path.open("rb")
        finally:
            path.unlink(missing_ok=True)
    with file:
        tell(Salvaged(entries=manifest.entries))
        out.write(backup_format.head(manifest))
        shutil.copyfileobj(file, out, MIB)
        out.write(backup_format.tail(manifest))
        out.flush()


def is_sound(path: Path) -> bool:
    """Read all of a base; True where nothing in it is damaged. Nothing is written.

    A base that is missing without a trace is sound: there is nothing to recover.
    Raises StartRefused for a base that a newer vecward has written.
    """
    if not path.exists():
        return not Path(f"{path}-wal").exists()
    if not path.stat().st_size:
        return False
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            schema.inspect(db, path)
            whole = [row[0] for row in db.execute("PRAGMA integrity_check(1)")] == ["ok"]
            return whole and not damaged_texts(db) and not damaged_vectors(db)
    except StartRefused as error:
        if "known" in error.details:
            raise
        return False
    except sqlite3.DatabaseError:
        return False


def _make_way(path: Path) -> Path:
    """Keep the damaged base and its log under a name of their own, which is returned.

    Until the new base has its name, a damaged one stands there: nobody may take the tenant for new.
    """
    kept = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%d-%H%M%S}")
    if not path.exists():
        path.touch(0o600)
    os.link(path, kept)
    log = Path(f"{path}-wal")
    if log.exists():
        os.link(log, f"{kept}-wal")
    replace.sync_folder(path.parent)
    for beside in (log, Path(f"{path}-shm")):
        beside.unlink(missing_ok=True)
    replace.sync_folder(path.parent)
    return kept


def _shown(found: Salvage, kept: Path) -> Recovered:
    """Damage by its extent: a list of every page would be no shorter than the file."""
    return Recovered(
        entries=found.entries,
        vectors=found.vectors,
        expected=found.expected,
        revision=found.revision,
        damaged_pages=len(found.damaged_pages),
        problems=[problem[:_SHOWN_CHARS] for problem in found.problems[:_SHOWN]],
        kept=kept.name,
    )


@contextlib.contextmanager
def _locked(data: Path) -> Iterator[None]:
    fd = data_lock.hold(data, _LOCK_S)
    try:
        yield
    finally:
        os.close(fd)


@contextlib.contextmanager
def _translated(data: Path) -> Iterator[None]:
    """Turn errors of the disk and of SQLite into DiskFull or InternalError."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        if disk.is_full(error):
            raise DiskFull(f"cannot recover: there is no room for a second base in {data}; make room") from error
        raise InternalError(f"cannot recover: {error}") from error


def _progress() -> Callable[[int, int], object]:
    """A function that tells each hundredth of the work, once."""
    last = -1

    def tell_step(done: int, total: int) -> None:
        nonlocal last
        if (part := 100 * done // max(total, 1)) > last:
            last = part
            tell(Step(done=done, total=total))

    return tell_step


if __name__ == "__main__":
    sys.exit(main())
