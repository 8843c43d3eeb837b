"""POST …/restore: another base takes the place of the one that serves, or nothing changes.

The file is judged while it comes, before the answer. The operation then checks the base, encodes entries that have no
vector of this model, builds the index, and swaps base and index between two searches.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import shutil
from pathlib import Path
from typing import Any

from daemon.core import wire
from daemon.core.config.tenant_config import TenantConfig
from daemon.core.errors import DiskFull, StartRefused, Unavailable
from daemon.core.files import disk
from daemon.core.units import MIB
from daemon.encoder.changes.operations import Handle, Operations, finished, new_id, shown
from daemon.encoder.changes.pipeline import Caller
from daemon.encoder.changes.swap import Live, Swap
from daemon.encoder.http.request import Request
from daemon.encoder.http.response import Response
from daemon.encoder.index import Index
from daemon.encoder.index.restore import build
from daemon.encoder.knowledge import Knowledge
from daemon.encoder.knowledge.changes.condition import require_revision
from daemon.encoder.knowledge.file import backup_format, schema
from daemon.encoder.knowledge.salvage import damage

log = logging.getLogger(__name__)


class Restores:
    """Restores, one at a time; a change that comes in before the swap goes to the old base, and is lost with it."""

    def __init__(
        self, tenant: str, config: TenantConfig, live: Live, operations: Operations, copying: asyncio.Lock
    ) -> None:
        """Make the handler; `copying` is held while the base is backed up: no swap may come in between."""
        self._tenant = tenant
        self._config = config
        self._live = live
        self._operations = operations
        self._copying = copying
        self._busy = False

    async def restore(self, request: Request) -> Response:
        id_ = new_id(request.request_id)
        if known := await self._operations.known(id_):
            return shown(known, 202)
        caller = Caller.of(request)
        require_revision("restore", caller.if_match, self._live.knowledge.reads.revision)
        if self._busy:
            raise Unavailable("cannot restore: another restore runs; wait for its end")
        self._busy = True
        path = backup_format.temporary(self._live.knowledge.path.parent, f"restore-{id_}")
        try:
            manifest = await self._receive(request, path)
            begun = await self._operations.begin("restore", id_, lambda h: self._run(h, caller, path, manifest))
            return shown(begun, 202)
        except BaseException:
            self._leave(path)
            raise

    def _leave(self, path: Path) -> None:
        self._busy = False
        for left in path.parent.glob(f"{path.name}*"):
            left.unlink(missing_ok=True)

    # --- the file ---

    async def _receive(self, request: Request, path: Path) -> wire.BackupManifest:
        """Take the file in; one that must not be restored here is refused before it has come whole.

        Raises BadBackup, DiskFull.
        """
        source, judged = request.parameter("from"), False
        try:
            with path.open("xb") as file:
                unpacker = backup_format.Unpacker(file)
                async for chunk in request.chunks():
                    await asyncio.to_thread(unpacker.feed, chunk)
                    if not judged and unpacker.manifest is not None:
                        self._judge(unpacker.manifest, source)
                        judged = True
        except OSError as error:
            if disk.is_full(error) or error.errno == errno.EFBIG:
                raise self._no_room(request.length) from error
            raise
        return unpacker.finish()

    def _judge(self, manifest: wire.BackupManifest, source: str | None) -> None:
        if manifest.schema_version > schema.VERSION:
            raise backup_format.bad(
                f"its schema has version {manifest.schema_version}, this vecward knows {schema.VERSION}; "
                "install a newer vecward"
            )
        if manifest.tenant not in (self._tenant, source):
            other = wire.shorten(manifest.tenant, 40)
            raise backup_format.bad(
                f"it is the backup of {other}, not of {self._tenant}; say from={other} if you mean it"
            )
        limit = self._config.limits.disk_mb
        free = shutil.disk_usage(self._live.knowledge.path.parent).free
        if manifest.database.bytes > free or (limit is not None and manifest.database.bytes > limit * MIB):
            raise self._no_room(manifest.database.bytes)

    def _no_room(self, size: int | None) -> DiskFull:
        limit = self._config.limits.disk_mb
        words = "" if limit is None else f" (limits.disk_mb is {limit} MB)"
        needed = "the backup" if size is None else f"a base of {-(-size // MIB)} MB"
        return DiskFull(
            f"cannot restore: there is no room for {needed} beside the one that serves{words}; "
            "nothing was changed. Make room, then try again",
            disk_mb=limit,
        )

    # --- the operation ---

    async def _run(self, handle: Handle, caller: Caller, path: Path, manifest: wire.BackupManifest) -> dict[str, Any]:
        fresh: Knowledge | None = None
        try:
            handle.progress(0, None, "checking")
            fresh = await asyncio.to_thread(self._open, path)
            encoded = await self._encode(fresh, handle)
            index = await asyncio.to_thread(self._index, fresh)
            async with self._copying:
                swap = Swap(self._live, fresh, index, caller, handle, _result_of(manifest, encoded))
                restored = await finished(self._live.threads.write(swap.run))
        finally:
            if fresh is not None:
                fresh.close()
            self._leave(path)
        self._live.changes.report()
        result = swap.result(restored)
        log.info("base-restored", extra=result)
        handle.progress(restored.entries, restored.entries)
        return result

    def _open(self, path: Path) -> Knowledge:
        """Open, migrate and check the base as a whole. Raises BadBackup."""
        try:
            fresh = Knowledge.open(
                path,
                min_chars=self._config.knowledge.min_chars,
                history_days=self._config.knowledge.history_days,
                disk_mb=self._config.limits.disk_mb,
            )
            try:
                dropped = damage.drop_vectors(fresh.database)
                problems = damage.find(fresh.database)
            except BaseException:
                fresh.close()
                raise
        except StartRefused as error:
            raise backup_format.bad(str(error.details.get("reason", error.message))) from error
        if problems:
            fresh.close()
            raise backup_format.bad(f"its database is damaged: {'; '.join(problems[:3])}")
        if dropped:
            log.warning("damaged-vectors-dropped", extra={"vectors": dropped})
        return fresh

    async def _encode(self, fresh: Knowledge, handle: Handle) -> int:
        """Give each entry a vector of the model in use, and count those that were encoded."""
        fingerprint, after, done = self._live.keeper.fingerprint, 0, 0
        while page := await asyncio.to_thread(fresh.vectors.without, fingerprint, after, 512):
            texts = [text for _, text in page]
            vectors = (await self._live.worker.documents(texts)).vectors
            await asyncio.to_thread(fresh.vectors.give, texts, vectors, fingerprint)
            after, done = page[-1][0], done + len(page)
            handle.progress(done, None, "encoding entries")
        return done

    def _index(self, fresh: Knowledge) -> Index:
        live = self._live
        return build(live.index_kind, fresh, live.keeper.fingerprint, live.batches.index.dimension)


def _result_of(manifest: wire.BackupManifest, encoded: int) -> dict[str, Any]:
    made_at = manifest.created_at.isoformat()
    return {
        "encoded": encoded,
        "backup": {"tenant": manifest.tenant, "revision": manifest.revision, "created_at": made_at},
    }
