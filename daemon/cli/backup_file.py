"""The check of a backup without a daemon: is it whole, and what does it hold?"""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.core.errors import BadBackup
from daemon.core.units import MIB

if TYPE_CHECKING:
    from daemon.core.wire import BackupManifest

_PART = MIB


def check(path: Path) -> BackupManifest:
    """Return the manifest of a backup whose database fits its checksum; raises BadBackup."""
    from daemon.core.wire import BackupManifest

    try:
        with tarfile.open(path, "r:") as tar:
            first, second = tar.next(), tar.next()
            manifest = BackupManifest.model_validate_json(_whole(tar, first))
            sound = second is not None and _digest(tar, second) == manifest.database.sha256
    except (tarfile.TarError, ValueError) as error:
        raise _bad(str(error)) from None
    if not sound:
        raise _bad("its checksum does not fit the database in it")
    return manifest


def _whole(tar: tarfile.TarFile, member: tarfile.TarInfo | None) -> bytes:
    file = None if member is None else tar.extractfile(member)
    if file is None:
        raise _bad("its manifest is missing")
    with file:
        return file.read(_PART)


def _digest(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    found = hashlib.sha256()
    file = tar.extractfile(member)
    if file is not None:
        with file:
            while part := file.read(_PART):
                found.update(part)
    return found.hexdigest()


def _bad(reason: str) -> BadBackup:
    return BadBackup(f"cannot use what came as a backup: {reason}; try again", reason=reason)
