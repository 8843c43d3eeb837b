"""GET …/backup: the whole base in one file, while it serves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import BinaryIO
from uuid import uuid4

from daemon.core import wire
from daemon.core.errors import QueueFull
from daemon.core.units import MIB
from daemon.encoder.http.request import Request
from daemon.encoder.http.response import Response
from daemon.encoder.knowledge import Knowledge
from daemon.encoder.knowledge.file import backup_format
from daemon.encoder.knowledge.file.backup_manifest import manifest_of

AT_ONCE = 2  # each holds a copy of the base on the disk until its reader has it
_PART = MIB


class Backups:
    """Backups under way; `copying` is held while the base is copied, which a restore waits for."""

    def __init__(self, tenant: str, knowledge: Knowledge, fingerprint: str) -> None:
        self._tenant = tenant
        self._knowledge = knowledge
        self._fingerprint = fingerprint
        self._running = 0
        self.copying = asyncio.Lock()

    async def backup(self, _request: Request) -> Response:
        if self._running >= AT_ONCE:
            raise QueueFull(f"cannot back up {self._tenant}: {AT_ONCE} backups run already; try again when one is done")
        self._running += 1
        try:
            async with self.copying:
                file, manifest = await asyncio.to_thread(self._copy)
        except BaseException:
            self._running -= 1
            raise
        head, tail = backup_format.head(manifest), backup_format.tail(manifest)
        size = len(head) + manifest.database.bytes + len(tail)
        name = f"{self._tenant}-{manifest.created_at:%Y%m%d-%H%M%S}.vecward"
        return Response(
            media_type=backup_format.MEDIA_TYPE.encode(),
            chunks=self._stream(head, file, tail),
            headers=(
                (b"content-length", b"%d" % size),
                (b"content-disposition", f'attachment; filename="{name}"'.encode()),
            ),
        )

    def _copy(self) -> tuple[BinaryIO, wire.BackupManifest]:
        """Copy the base into a file without a name: it is gone with its reader, however that ends."""
        path = backup_format.temporary(self._knowledge.path.parent, f"backup-{uuid4().hex}")
        try:
            self._knowledge.database.backup(path)
            return path.open("rb"), manifest_of(path, self._tenant, self._fingerprint)
        finally:
            path.unlink(missing_ok=True)

    async def _stream(self, head: bytes, file: BinaryIO, tail: bytes) -> AsyncIterator[bytes]:
        try:
            yield head
            while part := await asyncio.to_thread(file.read, _PART):
                yield part
            yield tail
        finally:
            self._running -= 1
            file.close()
