"""Every call of the HTTP API as a typed method (daemon/README.md, "HTTP API")."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypedDict, Unpack

from daemon.client.lines import lines, server_sent
from daemon.client.transport import M, Options, Transport, read_answer, segment, to_json, with_query
from daemon.client.uploads import Upload, opened
from daemon.core import formats, wire
from daemon.core.encoder_protocol.reembed import Plan
from daemon.core.formats import FormatName
from daemon.core.roles import Role

ImportMode = Literal["add", "set"]
VectorKind = Literal["query", "document"]


class AuditFilters(TypedDict, total=False):
    """Lines of the audit log that have just these values."""

    principal: str | None
    action: str | None
    outcome: str | None


class AsyncClient:
    """The daemon at a Unix socket. Connections are opened when needed and kept; close it when done.

    `user` and `session` are what the console sends on behalf of somebody who has signed in; `address` is the
    browser's, by which attempts to sign in are counted.

    Every call raises the VecwardError of the problem's kind, and DaemonUnreachable when nobody answers.
    Nothing is sent twice, and no call gives up by itself: wrap it in `asyncio.timeout` where that is wanted.
    `if_match` is the revision that a change is for; RevisionChanged when the base has moved on.
    """

    def __init__(
        self,
        socket: Path,
        *,
        user: str | None = None,
        session: str | None = None,
        address: str | None = None,
    ) -> None:
        self._transport = Transport(socket, user=user, session=session, address=address)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._transport.close()

    # --- daemon and host --------------------------------------------------------------------------

    async def health(self) -> wire.Health:
        return await self._ask(wire.Health, "GET", "/v1/health")

    async def info(self) -> wire.Info:
        return await self._ask(wire.Info, "GET", "/v1/info")

    async def gpus(self) -> wire.GpuList:
        return await self._ask(wire.GpuList, "GET", "/v1/gpus")

    async def openapi(self) -> wire.OpenApi:
        """The API's own description, OpenAPI 3.1."""
        return await self._ask(wire.OpenApi, "GET", "/openapi.json")

    async def usage(self, tenant: str | None = None) -> wire.UsagePage:
        """The usage of one tenant, or of all that the caller administers, by day, newest first."""
        return await self._ask(wire.UsagePage, "GET", "/v1/usage" if tenant is None else _path(tenant, "usage"))

    async def audit(
        self,
        before: int | None = None,
        limit: int | None = None,
        tenant: str | None = None,
        **filters: Unpack[AuditFilters],
    ) -> wire.AuditPage:
        """Lines of the audit log, newest first; `next` of a page is the `before` of the following one."""
        target = with_query("/v1/audit", before=before, limit=limit, tenant=tenant, **filters)
        return await self._ask(wire.AuditPage, "GET", target)

    async def sign_in(self, name: str, password: str) -> wire.SignedIn:
        """Check a password (console socket only); Unauthenticated or TooManyAttempts when refused."""
        body = to_json({"name": name, "password": password})
        return await self._ask(wire.SignedIn, "POST", "/v1/signin", body=body)

    # --- tenants ----------------------------------------------------------------------------------

    async def tenants(
        self,
        after: str | None = None,
        limit: int | None = None,
        q: str | None = None,
        state: str | None = None,
        role: Role | None = None,
        sort: str | None = None,
    ) -> wire.TenantPage:
        """The tenants that the caller may search; `next` of a page is the `after` of the following one.

        `q`: a part of name or title. `role`: what the caller is on them at least. `sort`: a field such as "entries",
        "-entries" for the greatest first.
        """
        target = with_query("/v1/tenants", after=after, limit=limit, q=q, state=state, role=role, sort=sort)
        return await self._ask(wire.TenantPage, "GET", target)

    async def tenant(self, tenant: str) -> wire.TenantView:
        return await self._ask(wire.TenantView, "GET", _path(tenant))

    async def put_tenant(self, tenant: str, yaml: bytes, adopt: bool = False, offline: bool = False) -> wire.TenantView:
        """Create or change a tenant from the bytes of its YAML file; `adopt` takes over kept data.

        A new model's vectors are made while the old ones answer; with `offline` nothing answers until they are there.
        """
        target = with_query(_path(tenant), adopt=adopt or None, offline=offline or None)
        return await self._ask(wire.TenantView, "PUT", target, body=yaml, media_type="application/yaml")

    async def plan_tenant(self, tenant: str, yaml: bytes) -> Plan:
        """The effects of `put_tenant` with these bytes; a new model is loaded for the answer, and let go."""
        target = _path(tenant, "plan")
        return await self._ask(Plan, "POST", target, body=yaml, media_type="application/yaml")

    async def delete_tenant(self, tenant: str, purge: str | None = None) -> None:
        """Delete a tenant and keep its data; `purge`, the tenant's name again, destroys the data too."""
        await self._transport.call("DELETE", with_query(_path(tenant), purge=purge))

    async def start(self, tenant: str) -> wire.Operation:
        return await self._operate("POST", _path(tenant, "start"))

    async def stop(self, tenant: str) -> wire.Operation:
        return await self._operate("POST", _path(tenant, "stop"))

    async def restart(self, tenant: str) -> wire.Operation:
        return await self._operate("POST", _path(tenant, "restart"))

    async def park(self, tenant: str) -> wire.Operation:
        return await self._operate("POST", _path(tenant, "park"))

    async def bench(
        self,
        tenant: str,
        entries: list[int] | None = None,
        seconds: float | None = None,
        clients: int | None = None,
        beside: bool = False,
    ) -> wire.Operation:
        """Start to measure the tenant's model on copies; its result is an `encoder_protocol.bench.Bench`."""
        body = to_json(_given(entries=entries, seconds=seconds, clients=clients, beside=beside))
        return await self._operate("POST", _path(tenant, "bench"), body=body)

    # --- operations -------------------------------------------------------------------------------

    async def operation(self, tenant: str, operation: str) -> wire.Operation:
        return await self._operate("GET", _path(tenant, "operations", operation))

    async def wait(self, tenant: str, operation: str, timeout: float = 30) -> wire.Operation:  # noqa: ASYNC109
        """The operation when it has ended, or as it is after `timeout` seconds."""
        target = with_query(_path(tenant, "operations", operation, "wait"), timeout=timeout)
        return await self._operate("GET", target)

    async def cancel(self, tenant: str, operation: str) -> wire.Operation:
        return await self._operate("DELETE", _path(tenant, "operations", operation))

    # --- entries ----------------------------------------------------------------------------------

    async def entries(
        self, tenant: str, after: int | None = None, limit: int | None = None, q: str | None = None
    ) -> wire.EntryPage:
        target = with_query(_path(tenant, "entries"), after=after, limit=limit, q=q)
        return await self._ask(wire.EntryPage, "GET", target)

    async def add(self, tenant: str, entries: Iterable[wire.NewEntry], if_match: int | None = None) -> wire.Added:
        """Add what can be added; `refused` of the answer says which line was not, and why."""
        body = to_json({"entries": [entry.model_dump() for entry in entries]})
        target = _path(tenant, "entries")
        return await self._ask(wire.Added, "POST", target, body=body, if_match=if_match)

    async def set_texts(
        self, tenant: str, texts: Iterable[str], if_match: int | None = None, dry_run: bool = False
    ) -> wire.SetResult:
        """Make the base this list, atomically; `dry_run` says what would change and changes nothing."""
        target = with_query(_path(tenant, "entries"), dry_run=dry_run or None)
        body = to_json({"texts": list(texts)})
        return await self._ask(wire.SetResult, "PUT", target, body=body, if_match=if_match)

    async def edit(
        self,
        tenant: str,
        entry: int,
        text: str | None = None,
        metadata: wire.Metadata | None = None,
        if_match: int | None = None,
    ) -> wire.Edited:
        """Change what is given of an entry; metadata is replaced as a whole."""
        body = to_json(_given(text=text, metadata=metadata))
        target = _path(tenant, "entries", str(entry))
        return await self._ask(wire.Edited, "PATCH", target, body=body, if_match=if_match)

    async def delete(
        self, tenant: str, ids: Iterable[int], forget: bool = False, if_match: int | None = None
    ) -> wire.Deleted:
        """Delete entries; `forget` removes their texts from the history too, and can't be undone."""
        body = to_json({"ids": list(ids), "forget": forget})
        target = _path(tenant, "entries", "delete")
        return await self._ask(wire.Deleted, "POST", target, body=body, if_match=if_match)

    async def import_entries(
        self, tenant: str, data: Upload, media_type: str, mode: ImportMode = "add", if_match: int | None = None
    ) -> wire.Operation:
        """Start an import of a file whose format the media type names (`daemon/core/formats.py`).

        `data`: the file's bytes, its path, the open file, or its chunks; only the first is held in memory as a whole.
        """
        target = with_query(_path(tenant, "import"), mode=mode)
        return await self._upload(target, data, media_type, if_match)

    async def export(self, tenant: str, format: FormatName = formats.DEFAULT.name) -> AsyncIterator[bytes]:
        """The whole base as a file, in chunks."""
        target = with_query(_path(tenant, "export"), format=format)
        async with self._transport.open("GET", target) as response:
            async for chunk in response.chunks():
                yield chunk

    async def history(self, tenant: str, after: int | None = None, limit: int | None = None) -> wire.HistoryPage:
        target = with_query(_path(tenant, "history"), after=after, limit=limit)
        return await self._ask(wire.HistoryPage, "GET", target)

    async def undo(self, tenant: str, if_match: int | None = None) -> wire.Change:
        """Take the last change back; NothingToUndo when there is none."""
        return await self._ask(wire.Change, "POST", _path(tenant, "undo"), if_match=if_match)

    # --- the base as a whole ----------------------------------------------------------------------

    async def backup(self, tenant: str) -> AsyncIterator[bytes]:
        """The base as of now in one file, in chunks: a tar of manifest.json and knowledge.db."""
        async with self._transport.open("GET", _path(tenant, "backup")) as response:
            async for chunk in response.chunks():
                yield chunk

    async def restore(
        self, tenant: str, file: Upload, source: str | None = None, if_match: int | None = None
    ) -> wire.Operation:
        """Start to put a backup in the place of the base; BadBackup when the file is none, or damaged.

        An open `file` is read from where it stands. `source`: the tenant that the backup is of, if it is another one.
        """
        target = with_query(_path(tenant, "restore"), **{"from": source})
        return await self._upload(target, file, wire.BACKUP_MEDIA_TYPE, if_match)

    async def recover(self, tenant: str) -> wire.Operation:
        """Start to put what is readable of a damaged base in its place; the tenant must not run."""
        return await self._operate("POST", _path(tenant, "recover"))

    async def salvage(self, tenant: str) -> AsyncIterator[bytes]:
        """The readable part of a damaged base, as a backup in chunks; nothing is changed."""
        async with self._transport.open("GET", _path(tenant, "salvage")) as response:
            async for chunk in response.chunks():
                yield chunk

    # --- search and vectors -----------------------------------------------------------------------

    async def search(
        self,
        tenant: str,
        query: str,
        k: int | None = None,
        min_score: float | None = None,
        filter: wire.Metadata | None = None,
    ) -> wire.SearchResult:
        """The k nearest entries, best first; `filter` keeps those whose metadata has these values."""
        body = to_json(_given(query=query, k=k, min_score=min_score, filter=filter))
        return await self._ask(wire.SearchResult, "POST", _path(tenant, "search"), body=body)

    async def entry_vector(self, tenant: str, entry: int, dims: int = 50) -> wire.Vector:
        """An entry's stored vector: its norm, and its first `dims` values."""
        target = with_query(_path(tenant, "entries", str(entry), "vector"), dims=dims)
        return await self._ask(wire.Vector, "GET", target)

    async def vector(self, tenant: str, text: str, kind: VectorKind = "query", dims: int = 50) -> wire.Vector:
        """The vector that the tenant's model gives a text, as a query or as an entry."""
        body = to_json({"text": text, "kind": kind, "dims": dims})
        return await self._ask(wire.Vector, "POST", _path(tenant, "vector"), body=body)

    # --- logs and events --------------------------------------------------------------------------

    async def logs(self, tenant: str, tail: int = 100) -> wire.LogPage:
        """The last `tail` lines of the tenant's log, oldest first."""
        return await self._ask(wire.LogPage, "GET", with_query(_path(tenant, "logs"), tail=tail))

    async def follow_logs(self, tenant: str, tail: int | None = None) -> AsyncIterator[wire.LogLine]:
        """Lines of the tenant's log as they are written, the last `tail` first."""
        target = with_query(_path(tenant, "logs"), follow=True, tail=tail)
        async with self._transport.open("GET", target) as response:
            async for line in lines(response.chunks()):
                if line.strip():
                    yield _log_line(line)

    async def events(self, after: int | None = None, limit: int | None = None) -> wire.EventPage:
        return await self._ask(wire.EventPage, "GET", with_query("/v1/events", after=after, limit=limit))

    async def follow_events(self, after: int | None = None) -> AsyncIterator[wire.Event]:
        """Events as they happen; with `after`, first those that came later than that id."""
        target = with_query("/v1/events", follow=True, after=after)
        async with self._transport.open("GET", target) as response:
            async for data in server_sent(response.chunks()):
                yield read_answer(wire.Event, data)

    # --- ways in ----------------------------------------------------------------------------------

    async def _ask(self, model: type[M], method: str, target: str, **options: Unpack[Options]) -> M:
        return read_answer(model, await self._transport.call(method, target, **options))

    async def _operate(self, method: str, target: str, **options: Unpack[Options]) -> wire.Operation:
        return (await self._ask(wire.OperationAnswer, method, target, **options)).operation

    async def _upload(self, target: str, upload: Upload, media_type: str, if_match: int | None) -> wire.Operation:
        async with opened(upload) as source:
            return await self._operate(
                "POST", target, body=source.body, size=source.size, media_type=media_type, if_match=if_match
            )


def _path(tenant: str, *rest: str) -> str:
    return "/v1/tenants/" + "/".join(segment(part) for part in (tenant, *rest))


def _given(**fields: Any) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


def _log_line(raw: bytes) -> wire.LogLine:
    found = json.loads(raw)
    return found if isinstance(found, dict) else {"value": found}
