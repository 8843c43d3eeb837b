"""The manifest of a backup, by which it is checked."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from daemon.core.wire.base import Answer

BACKUP_MEDIA_TYPE = "application/x-tar"


class BackupDatabase(Answer):
    """The database within a backup; `sha256` is of the whole file, in hexadecimal."""

    file: str
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class BackupManifest(Answer):
    """The first member of a backup, `manifest.json`: the contents of its database, and the checksum."""

    format: Literal["vecward-backup"] = "vecward-backup"
    format_version: Annotated[int, Field(ge=1)] = 1
    vecward: str
    schema_version: int
    tenant: str
    revision: int
    entries: int
    fingerprint: str | None  # of the model in use; None where nobody knows (a salvaged base)
    created_at: datetime
    database: BackupDatabase
