"""A backup in one file: an uncompressed tar (GNU format) of manifest.json, then knowledge.db.

The manifest holds the database's size and SHA-256, so that a file can be judged while it comes; `tar -xf` and
`sha256sum` read it without vecward.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from daemon.core import wire
from daemon.core.errors import BadBackup
from daemon.core.units import MIB

MEDIA_TYPE = wire.BACKUP_MEDIA_TYPE
FORMAT_VERSION = 1
_MANIFEST, _DATABASE = "manifest.json", "knowledge.db"
_BLOCK = tarfile.BLOCKSIZE
_MAX_MANIFEST = 64 * 1024
_HASH_STEP = MIB


def describe(file: BinaryIO) -> wire.BackupDatabase:
    """Read the whole database for its size and checksum, and rewind it."""
    found, size = hashlib.sha256(), 0
    file.seek(0)
    while chunk := file.read(_HASH_STEP):
        found.update(chunk)
        size += len(chunk)
    file.seek(0)
    return wire.BackupDatabase(file=_DATABASE, bytes=size, sha256=found.hexdigest())


def head(manifest: wire.BackupManifest) -> bytes:
    """Write the part of the file before the database."""
    raw = manifest.model_dump_json(indent=1).encode() + b"\n"
    at = int(manifest.created_at.timestamp())
    return b"".join(
        (_member(_MANIFEST, len(raw), at), raw, _padding(len(raw)), _member(_DATABASE, manifest.database.bytes, at))
    )


def tail(manifest: wire.BackupManifest) -> bytes:
    """Write the part behind the database: up to a whole block, then two empty ones, which mark the end."""
    return _padding(manifest.database.bytes) + bytes(2 * _BLOCK)


def _member(name: str, size: int, at: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, at
    return member.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)


class Unpacker:
    """A backup taken in as it comes, its database written into `file`; every method raises BadBackup.

    `manifest` is None until it has come whole.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._head = io.BytesIO()
        self._hash = hashlib.sha256()
        self._missing = 0
        self.manifest: wire.BackupManifest | None = None

    def feed(self, chunk: bytes) -> None:
        """Take the next chunk; bytes behind the database are ignored. Raises OSError as well."""
        if self.manifest is None:
            self._head.seek(0, io.SEEK_END)
            self._head.write(chunk)
            chunk = self._read_head(self._head.getvalue())
        taken = chunk[: self._missing]
        self._missing -= len(taken)
        self._hash.update(taken)
        self._file.write(taken)

    def finish(self) -> wire.BackupManifest:
        """Check, at the end of the file, that the database is whole and the one of the manifest."""
        if self.manifest is None:
            raise bad("it ends before its database begins")
        if self._missing:
            raise bad(f"it is cut short: {self._missing} of the database's {self.manifest.database.bytes} bytes lack")
        if self._hash.hexdigest() != self.manifest.database.sha256:
            raise bad("its checksum does not fit the database in it: the file is damaged")
        return self.manifest

    def _read_head(self, head: bytes) -> bytes:
        """Read the heads and the manifest when they are there; returns the bytes behind them, the database's."""
        if len(head) < _BLOCK:
            return b""
        size = _size_of(head[:_BLOCK], _MANIFEST)
        if size > _MAX_MANIFEST:
            raise bad(f"its manifest has {size} bytes")
        database_at = _BLOCK + size + len(_padding(size))
        if len(head) < database_at + _BLOCK:
            return b""
        manifest = _manifest(head[_BLOCK : _BLOCK + size])
        if _size_of(head[database_at : database_at + _BLOCK], _DATABASE) != manifest.database.bytes:
            raise bad("the size of its database is not what its manifest says")
        self._missing, self.manifest = manifest.database.bytes, manifest
        return head[database_at + _BLOCK :]


def _size_of(block: bytes, name: str) -> int:
    try:
        member = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise bad(f"it is no backup of vecward: {error}") from None
    if not member.isreg() or member.name != name or member.size < 0:
        raise bad(f"it is no backup of vecward: {wire.shorten(ascii(member.name), 60)} stands where {name} should")
    return member.size


def _manifest(raw: bytes) -> wire.BackupManifest:
    try:
        manifest = wire.BackupManifest.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise bad(f"its manifest can't be read: {where}: {first['msg']}") from None
    if manifest.format_version > FORMAT_VERSION:
        raise bad(f"it was made by a newer vecward ({wire.shorten(manifest.vecward, 40)}); restore it with that one")
    return manifest


def bad(reason: str) -> BadBackup:
    return BadBackup(f"cannot restore this file: {reason}; nothing was changed", reason=reason)


def temporary(folder: Path, what: str) -> Path:
    """Name a file in `folder` for work under way; `sweep` removes it after a kill."""
    return folder / f".{what}-under-way.db"


def sweep(folder: Path) -> None:
    """Remove the files of a killed backup, restore or recovery, while nobody else works in `folder`."""
    for path in folder.glob(".*-under-way.db*"):
        path.unlink(missing_ok=True)
