"""A client of the in-memory daemon: the calls of `AsyncClient` that the console makes, with the same signatures.

Scores are the share of common characters; an import is done at once.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable
from types import TracebackType
from typing import Unpack

from console.web.cookies import User
from daemon.client.async_client import AuditFilters, ImportMode, VectorKind
from daemon.client.uploads import Upload
from daemon.core import wire
from daemon.core.errors import (
    Forbidden,
    TenantStopped,
    Unauthenticated,
    UnknownEntry,
    UnknownOperation,
    UnknownTenant,
)
from daemon.core.formats import FormatName
from daemon.core.roles import Role
from tests.support.console.fakes import ADMIN, NOW, PASSWORD, FakeBase, FakeDaemon


class FakeClient:
    """Calls of one user; `None` is nobody, who may only sign in."""

    def __init__(self, daemon: FakeDaemon, user: User | None) -> None:
        self._daemon = daemon
        self._user = user

    async def __aenter__(self) -> FakeClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    # --- host -----------------------------------------------------------------------------------------

    async def sign_in(self, name: str, password: str) -> wire.SignedIn:
        if password != PASSWORD or name not in self._daemon.users:
            raise Unauthenticated("cannot sign in: the name or the password is wrong")
        return wire.SignedIn(name=name, session=self._daemon.users[name], admin=name == ADMIN)

    async def info(self) -> wire.Info:
        name = self._signed_in("info")
        memory = wire.HostMemory(total_mb=24000, available_mb=18000) if name == ADMIN else None
        return wire.Info(version="0", isolation="process", admin=name == ADMIN, caller=[f"user:{name}"], memory=memory)

    async def gpus(self) -> wire.GpuList:
        self._as_admin("gpus")
        return wire.GpuList(gpus=[], note=wire.NO_GPU)

    async def audit(
        self,
        before: int | None = None,
        limit: int | None = None,
        tenant: str | None = None,
        **filters: Unpack[AuditFilters],
    ) -> wire.AuditPage:
        self._as_admin("audit")
        return wire.AuditPage(lines=[])

    # --- tenants --------------------------------------------------------------------------------------

    async def tenants(
        self,
        after: str | None = None,
        limit: int | None = None,
        q: str | None = None,
        state: str | None = None,
        role: Role | None = None,
        sort: str | None = None,
    ) -> wire.TenantPage:
        name = self._signed_in("tenants")
        views = [self._view(self._daemon.bases[tenant]) for tenant in sorted(self._daemon.roles[name])]
        found = [
            view
            for view in views
            if (not q or q.casefold() in f"{view.name} {view.title.en} {view.title.zh}".casefold())
            and (not state or view.state == state)
            and (role is None or Role(view.role or Role.NOBODY).at_least(role))
        ]
        if sort and sort.lstrip("-") != "name":
            found.sort(key=lambda view: getattr(view, sort.lstrip("-")) or 0, reverse=sort.startswith("-"))
        rest = [view for view in found if after is None or view.name > after]
        page = rest[: limit or 100]
        return wire.TenantPage(tenants=page, next=page[-1].name if len(page) < len(rest) else None, total=len(found))

    async def tenant(self, tenant: str) -> wire.TenantView:
        return self._view(self._base(tenant, "tenant"))

    async def start(self, tenant: str) -> wire.Operation:
        return self._act(tenant, "start", "ready", "up")

    async def stop(self, tenant: str) -> wire.Operation:
        return self._act(tenant, "stop", "stopped", "down")

    async def restart(self, tenant: str) -> wire.Operation:
        return self._act(tenant, "restart", "ready", "up")

    # --- entries --------------------------------------------------------------------------------------

    async def entries(
        self, tenant: str, after: int | None = None, limit: int | None = None, q: str | None = None
    ) -> wire.EntryPage:
        base = self._open(tenant, "entries")
        found = [one for one in base.entries.values() if not q or q.casefold() in one.text.casefold()]
        rest = [one for one in found if one.id > (after or 0)]
        page = rest[: limit or 100]
        following = page[-1].id if len(rest) > len(page) else None
        return wire.EntryPage(entries=page, next=following, total=len(base.entries), revision=base.revision)

    async def add(self, tenant: str, entries: Iterable[wire.NewEntry], if_match: int | None = None) -> wire.Added:
        base = self._edited(tenant, "add", if_match)
        before, new = dict(base.entries), list(entries)
        refused = base.refused([one.text for one in new], adding=True)
        lines = {one.line for one in refused}
        ids = [base.put(one.text, one.metadata).id for line, one in enumerate(new, 1) if line not in lines]
        if ids:
            base.commit("add", before, added=len(ids))
        return wire.Added(added=ids, refused=refused, revision=base.revision)

    async def set_texts(
        self, tenant: str, texts: Iterable[str], if_match: int | None = None, dry_run: bool = False
    ) -> wire.SetResult:
        base, texts = self._edited(tenant, "set", if_match), list(texts)
        refused = base.refused(texts, adding=False)
        lines = {one.line for one in refused}
        wanted = [text for line, text in enumerate(texts, 1) if line not in lines]
        before = dict(base.entries)
        have = {one.text for one in before.values()}
        gone = [one.id for one in before.values() if one.text not in wanted]
        new = [text for text in wanted if text not in have]
        if not dry_run and (gone or new):
            for entry in gone:
                del base.entries[entry]
            for text in new:
                base.put(text)
            base.commit("set", before, added=len(new), removed=len(gone))
        kept = len(wanted) - len(new)
        return wire.SetResult(
            added=len(new), removed=len(gone), unchanged=kept, refused=refused, revision=base.revision
        )

    async def edit(
        self,
        tenant: str,
        entry: int,
        text: str | None = None,
        metadata: wire.Metadata | None = None,
        if_match: int | None = None,
    ) -> wire.Edited:
        base = self._edited(tenant, "edit", if_match)
        before, old = dict(base.entries), self._entry(base, entry)
        made = base.put(text or old.text, old.metadata if metadata is None else metadata, entry)
        base.commit("edit", before, edited=1)
        return wire.Edited(**made.model_dump())

    async def delete(
        self, tenant: str, ids: Iterable[int], forget: bool = False, if_match: int | None = None
    ) -> wire.Deleted:
        base = self._edited(tenant, "delete", if_match)
        before, asked = dict(base.entries), list(ids)
        known = [one for one in asked if base.entries.pop(one, None)]
        if known:
            base.commit("forget" if forget else "delete", before, removed=len(known))
        unknown = [one for one in asked if one not in before]
        return wire.Deleted(deleted=known, unknown=unknown, revision=base.revision)

    async def history(self, tenant: str, after: int | None = None, limit: int | None = None) -> wire.HistoryPage:
        base = self._edited(tenant, "history")
        changes = [one.change for one in reversed(base.done) if after is None or one.change.revision < after]
        page = changes[: limit or 100]
        return wire.HistoryPage(changes=page, next=page[-1].revision if len(page) < len(changes) else None)

    async def undo(self, tenant: str, if_match: int | None = None) -> wire.Change:
        return self._edited(tenant, "undo", if_match).undo()

    # --- files and operations -------------------------------------------------------------------------

    async def export(self, tenant: str, format: FormatName = "txt") -> AsyncIterator[bytes]:
        base = self._edited(tenant, f"export-{format}")
        write = _WRITERS[format]
        yield b"text\r\n" if format == "csv" else b""
        for one in base.entries.values():
            yield write(one)

    async def import_entries(
        self, tenant: str, data: Upload, media_type: str, mode: ImportMode = "add", if_match: int | None = None
    ) -> wire.Operation:
        assert isinstance(data, bytes)
        base = self._edited(tenant, f"import {media_type} {mode}", if_match)
        before, texts = dict(base.entries), data.decode().splitlines()
        refused = base.refused(texts, adding=True)
        lines = {one.line for one in refused}
        for line, text in enumerate(texts, 1):
            if line not in lines:
                base.put(text)
        added = len(texts) - len(refused)
        base.commit("import", before, added=added)
        result = {
            "added": added,
            "removed": 0,
            "unchanged": 0,
            "cut": 0,
            "refused": [one.model_dump() for one in refused],
            "refused_total": len(refused),
            "revision": base.revision,
        }
        return self._running(tenant, result, len(texts))

    async def operation(self, tenant: str, operation: str) -> wire.Operation:
        self._edited(tenant, "operation")
        waiting = self._daemon.operations.get(operation)
        if waiting is None:
            raise UnknownOperation(f"cannot find the operation {operation}")
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    async def wait(self, tenant: str, operation: str, timeout: float = 30) -> wire.Operation:  # noqa: ASYNC109
        return await self.operation(tenant, operation)

    # --- search and vectors ---------------------------------------------------------------------------

    async def search(
        self,
        tenant: str,
        query: str,
        k: int | None = None,
        min_score: float | None = None,
        filter: wire.Metadata | None = None,
    ) -> wire.SearchResult:
        base = self._open(tenant, "search")
        hits = [
            wire.Hit(id=one.id, text=one.text, metadata=one.metadata, score=_alike(query, one.text))
            for one in base.entries.values()
            if all(one.metadata.get(name) == value for name, value in (filter or {}).items())
        ]
        best = sorted(hits, key=lambda hit: -hit.score)[: k or base.view.k]
        best = [hit for hit in best if min_score is None or hit.score >= min_score]
        timing = wire.Timing(queue_ms=0.1, encode_ms=2.5, search_ms=0.2)
        return wire.SearchResult(results=best, revision=base.revision, timing=timing)

    async def entry_vector(self, tenant: str, entry: int, dims: int = 50) -> wire.Vector:
        base = self._open(tenant, "vector")
        return _vector(self._entry(base, entry).text, dims)

    async def vector(self, tenant: str, text: str, kind: VectorKind = "query", dims: int = 50) -> wire.Vector:
        self._open(tenant, "vector")
        return _vector(text, dims)

    # --- who may do what ------------------------------------------------------------------------------

    def _signed_in(self, did: str) -> str:
        self._daemon.acted.append((self._user.name if self._user else None, did))
        if self._user is None or self._daemon.users.get(self._user.name) != self._user.session:
            raise Unauthenticated("cannot answer: the session has ended; sign in again")
        return self._user.name

    def _as_admin(self, did: str) -> None:
        if self._signed_in(did) != ADMIN:
            raise Forbidden("cannot do that: only admins of the host may")

    def _base(self, tenant: str, did: str, least: Role = Role.SEARCHER) -> FakeBase:
        role = self._daemon.roles[self._signed_in(f"{did} {tenant}")].get(tenant)
        if role is None:
            raise UnknownTenant(f"cannot find the tenant {tenant}")
        if not role.at_least(least):
            raise Forbidden(f"cannot do that: you are {role} of {tenant}")
        return self._daemon.bases[tenant]

    def _open(self, tenant: str, did: str, least: Role = Role.SEARCHER) -> FakeBase:
        base = self._base(tenant, did, least)
        if base.view.state == "stopped":
            raise TenantStopped(f"cannot search: {tenant} is stopped; start it")
        return base

    def _edited(self, tenant: str, did: str, if_match: int | None = None) -> FakeBase:
        base = self._open(tenant, did, Role.EDITOR)
        base.check(if_match)
        return base

    def _view(self, base: FakeBase) -> wire.TenantView:
        assert self._user is not None
        role = self._daemon.roles[self._user.name][base.view.name]
        return base.view.model_copy(update={"role": role, "entries": len(base.entries), "revision": base.revision})

    def _act(self, tenant: str, kind: str, state: str, goal: str) -> wire.Operation:
        base = self._base(tenant, kind, Role.TENANT_ADMIN)
        base.view = base.view.model_copy(update={"state": state, "goal": goal})
        done = wire.OperationState.DONE
        return wire.Operation(id="d-1", kind=kind, tenant=tenant, state=done, started_at=NOW, result={"state": state})

    def _running(self, tenant: str, result: dict[str, object], total: int) -> wire.Operation:
        start = wire.Operation(
            id="e-1",
            kind="import",
            tenant=tenant,
            state=wire.OperationState.RUNNING,
            started_at=NOW,
            progress=wire.Progress(done=1, total=total, unit="entries"),
        )
        end = start.model_copy(update={"state": wire.OperationState.DONE, "result": result})
        self._daemon.operations["e-1"] = [start, end]
        return start

    @staticmethod
    def _entry(base: FakeBase, entry: int) -> wire.Entry:
        if entry not in base.entries:
            raise UnknownEntry(f"cannot find entry {entry}")
        return base.entries[entry]


_WRITERS: dict[str, Callable[[wire.Entry], bytes]] = {
    "txt": lambda entry: f"{entry.text}\n".encode(),
    "csv": lambda entry: f"{entry.text}\r\n".encode(),
    "jsonl": lambda entry: json.dumps({"text": entry.text, "metadata": entry.metadata}).encode() + b"\n",
}


def _alike(one: str, other: str) -> float:
    return len(set(one) & set(other)) / (len(set(one)) or 1)


def _vector(text: str, dims: int) -> wire.Vector:
    raw = [((ord(character) * 37) % 101 - 50) / 500 for character in (text * 60)[:512]]
    return wire.Vector(dimension=512, norm=1.0, fingerprint="use-multilingual:3:float32", values=raw[:dims])
