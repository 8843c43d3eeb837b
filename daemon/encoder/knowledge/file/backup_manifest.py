"""The manifest of a backup, made from the base that goes into it."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from daemon.core import wire
from daemon.core.version import version
from daemon.encoder.knowledge.file import backup_format, meta, schema
from daemon.encoder.knowledge.file.meta import BaseCounter


def manifest_of(path: Path, tenant: str, fingerprint: str | None) -> wire.BackupManifest:
    """Describe the base at `path`, which nobody may write meanwhile."""
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"  # no log and no lock file beside it
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as db:
        revision, entries = meta.read(db, BaseCounter.REVISION), meta.read(db, BaseCounter.TOTAL)
    with path.open("rb") as file:
        database = backup_format.describe(file)
    return wire.BackupManifest(
        vecward=version(),
        schema_version=schema.VERSION,
        tenant=tenant,
        revision=revision,
        entries=entries,
        fingerprint=fingerprint,
        created_at=datetime.now(UTC),
        database=database,
    )
