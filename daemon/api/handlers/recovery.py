"""Handlers for a damaged knowledge base: recover it in its place, or send the readable part as a backup."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from starlette.responses import Response, StreamingResponse

from daemon.api.context import ServicesDep, TenantDep
from daemon.core.wire import BACKUP_MEDIA_TYPE, OperationAnswer


async def recover(services: ServicesDep, tenant: TenantDep) -> OperationAnswer:
    return OperationAnswer(operation=services.manager.recovery.recover(tenant))


async def salvage(services: ServicesDep, tenant: TenantDep) -> Response:
    """Send the readable part as a backup; the first chunk is awaited, so that a refusal is an answer of its own."""
    chunks = services.manager.recovery.salvage(tenant)
    first = await anext(chunks, b"")
    headers = {"content-disposition": f'attachment; filename="{tenant.name}-salvaged.vecward"'}
    return StreamingResponse(_all(first, chunks), media_type=BACKUP_MEDIA_TYPE, headers=headers)


async def _all(first: bytes, chunks: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    async with aclosing(chunks):
        yield first
        async for chunk in chunks:
            yield chunk
