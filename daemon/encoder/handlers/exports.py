"""GET …/export: the whole base as a file, streamed page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from daemon.core import formats, wire
from daemon.encoder.changes.threads import Threads
from daemon.encoder.http.request import Request, refuse
from daemon.encoder.http.response import Response
from daemon.encoder.knowledge import Knowledge, entry_files

_PAGE = 1000


class Exports:
    def __init__(self, tenant: str, knowledge: Knowledge, threads: Threads) -> None:
        self._tenant = tenant
        self._knowledge = knowledge
        self._threads = threads

    async def export(self, request: Request) -> Response:
        name = request.parameter("format") or formats.DEFAULT.name
        format = formats.find(name)
        if format is None:
            raise refuse("format", name, ", ".join(row.name for row in formats.FORMATS))
        parts = entry_files.write(self._pages(), format.name, self._knowledge.reads.columns)
        file = f'attachment; filename="{self._tenant}{format.suffixes[0]}"'.encode()
        return Response(
            media_type=f"{format.media_type}; charset=utf-8".encode(),
            chunks=self._chunks(parts),
            headers=((b"content-disposition", file),),
        )

    def _pages(self) -> Iterator[list[wire.Entry]]:
        """Read page by page: an entry that stays is there once, whatever changes meanwhile."""
        after: int | None = 0
        while after is not None:
            page = self._knowledge.reads.page(after, _PAGE, None)
            yield page.entries
            after = page.next

    async def _chunks(self, parts: Iterator[bytes]) -> AsyncIterator[bytes]:
        while (part := await self._threads.read(lambda: next(parts, None))) is not None:
            if part:
                yield part
