"""An in-memory daemon for the console: the client's methods, no socket. Scores are the share of common characters."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from console.web.cookies import User
from daemon.core import wire
from daemon.core.errors import RevisionChanged, TenantStopped, Unauthenticated, UnknownEntry, UnknownTenant

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PASSWORD = "correct horse"


class FakeBase:
    def __init__(self, view: wire.TenantView, texts: Iterable[str]) -> None:
        self.view = view
        self.revision = 1
        self.next_id = 1
        self.entries: dict[int, wire.Entry] = {}
        for text in texts:
            self.put(text)

    def put(self, text: str, metadata: wire.Metadata | None = None, entry: int | None = None) -> wire.Entry:
        if entry is None:
            entry, self.next_id = self.next_id, self.next_id + 1
        made = wire.Entry(id=entry, text=text, metadata=metadata or {}, created_at=NOW, updated_at=NOW)
        self.entries[entry] = made
        return made

    def check(self, if_match: int | None) -> None:
        if if_match is not None and if_match != self.revision:
            raise RevisionChanged("cannot save: the base has changed; load it again", revision=self.revision)

    def refused(self, texts: list[str]) -> list[wire.Refused]:
        seen: set[str] = set()
        found = []
        for line, text in enumerate(texts, 1):
            if len(text) < self.view.min_chars:
                found.append(wire.Refused(line=line, text=text, kind="too-short", reason="cannot add: too short"))
            elif text in seen:
                found.append(wire.Refused(line=line, text=text, kind="duplicate", reason="cannot add: is there"))
            seen.add(text)
        return found


class FakeDaemon:
    """`users` maps names to session strings; `roles` to (tenant, role); `acted` records who did what."""

    def __init__(self) -> None:
        self.users = {"demo": "s-demo", "editor": "s-editor", "admin": "s-admin"}
        self.bases: dict[str, FakeBase] = {}
        self.roles: dict[str, dict[str, str]] = {"demo": {}, "editor": {}, "admin": {}}
        self.acted: list[tuple[str | None, str]] = []
        self.operations: dict[str, list[wire.Operation]] = {}

    def add(self, name: str, title: wire.Title, texts: Iterable[str], **fields: Any) -> FakeBase:
        view = wire.TenantView(
            name=name,
            title=title,
            state="ready",
            goal="up",
            threshold=0.4,
            restarts=0,
            uptime_s=4000.0,
            device="cpu",
            isolation="process",
            memory_mb=210.5,
            **fields,
        )
        self.bases[name] = FakeBase(view, texts)
        for user, role in (("demo", "searcher"), ("editor", "editor"), ("admin", "admin")):
            self.roles[user][name] = role
        return self.bases[name]

    def open(self, user: User | None, address: str | None) -> FakeClient:
        return FakeClient(self, user)


class FakeClient:
    def __init__(self, daemon: FakeDaemon, user: User | None) -> None:
        self._daemon = daemon
        self._user = user

    async def __aenter__(self) -> FakeClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def _name(self, did: str) -> str:
        self._daemon.acted.append((self._user.name if self._user else None, did))
        if self._user is None or self._daemon.users.get(self._user.name) != self._user.session:
            raise Unauthenticated("cannot answer: the session has ended; sign in again")
        return self._user.name

    def _base(self, tenant: str, did: str) -> FakeBase:
        if tenant not in self._daemon.roles[self._name(f"{did} {tenant}")]:
            raise UnknownTenant(f"cannot find the tenant {tenant}")
        return self._daemon.bases[tenant]

    def _view(self, base: FakeBase) -> wire.TenantView:
        assert self._user is not None
        role = self._daemon.roles[self._user.name][base.view.name]
        return base.view.model_copy(update={"role": role, "entries": len(base.entries), "revision": base.revision})

    async def sign_in(self, name: str, password: str) -> wire.SignedIn:
        if password != PASSWORD or name not in self._daemon.users:
            raise Unauthenticated("cannot sign in: the name or the password is wrong")
        return wire.SignedIn(name=name, session=self._daemon.users[name], admin=name == "admin")

    async def info(self) -> wire.Info:
        admin = self._name("info") == "admin"
        memory = wire.HostMemory(total_mb=24000, available_mb=18000) if admin else None
        return wire.Info(version="0", isolation="process", admin=admin, caller=[], memory=memory)

    async def gpus(self) -> wire.GpuList:
        self._name("gpus")
        return wire.GpuList(gpus=[], note="no GPU on this host")

    async def tenants(self, after: str | None = None, limit: int | None = None, **_: Any) -> wire.TenantPage:
        name = self._name("tenants")
        views = [self._view(self._daemon.bases[tenant]) for tenant in sorted(self._daemon.roles[name])]
        return wire.TenantPage(tenants=views, total=len(views))

    async def tenant(self, tenant: str) -> wire.TenantView:
        return self._view(self._base(tenant, "tenant"))

    async def _act(self, tenant: str, kind: str, state: str) -> wire.Operation:
        base = self._base(tenant, kind)
        base.view = base.view.model_copy(update={"state": state, "restarts": base.view.restarts + (kind == "restart")})
        return wire.Operation(id="d-1", kind=kind, tenant=tenant, state=wire.OperationState.DONE, started_at=NOW)

    async def start(self, tenant: str) -> wire.Operation:
        return await self._act(tenant, "start", "ready")

    async def stop(self, tenant: str) -> wire.Operation:
        return await self._act(tenant, "stop", "stopped")

    async def restart(self, tenant: str) -> wire.Operation:
        return await self._act(tenant, "restart", "ready")

    async def search(self, tenant: str, query: str, k: int | None = None, **_: Any) -> wire.SearchResult:
        base = self._base(tenant, "search")
        if base.view.state == "stopped":
            raise TenantStopped(f"cannot search: {tenant} is stopped; start it")
        hits = [
            wire.Hit(id=one.id, text=one.text, metadata=one.metadata, score=_alike(query, one.text))
            for one in base.entries.values()
        ]
        best = sorted(hits, key=lambda hit: -hit.score)[: k or 5]
        return wire.SearchResult(
            results=best, revision=base.revision, timing=wire.Timing(queue_ms=0.1, encode_ms=2.5, search_ms=0.2)
        )

    async def entries(
        self, tenant: str, after: int | None = None, limit: int | None = None, q: str | None = None
    ) -> wire.EntryPage:
        base = self._base(tenant, "entries")
        found = [one for one in base.entries.values() if not q or q.casefold() in one.text.casefold()]
        rest = [one for one in found if one.id > (after or 0)]
        page = rest[: limit or 100]
        following = page[-1].id if len(rest) > len(page) else None
        return wire.EntryPage(entries=page, next=following, total=len(base.entries), revision=base.revision)

    async def set_texts(
        self, tenant: str, texts: Iterable[str], if_match: int | None = None, dry_run: bool = False
    ) -> wire.SetResult:
        base, texts = self._base(tenant, "set"), list(texts)
        base.check(if_match)
        refused = base.refused(texts)
        wanted = [text for line, text in enumerate(texts, 1) if line not in {one.line for one in refused}]
        have = {one.text for one in base.entries.values()}
        gone = [one.id for one in base.entries.values() if one.text not in wanted]
        new = [text for text in wanted if text not in have]
        if not dry_run and (gone or new):
            for entry in gone:
                del base.entries[entry]
            for text in new:
                base.put(text)
            base.revision += 1
        return wire.SetResult(
            added=len(new), removed=len(gone), unchanged=len(wanted) - len(new), refused=refused, revision=base.revision
        )

    async def add(self, tenant: str, entries: Iterable[wire.NewEntry], if_match: int | None = None) -> wire.Added:
        base = self._base(tenant, "add")
        base.check(if_match)
        new = list(entries)
        refused = base.refused([one.text for one in new])
        lines = {one.line for one in refused}
        ids = [base.put(one.text, one.metadata).id for line, one in enumerate(new, 1) if line not in lines]
        base.revision += 1
        return wire.Added(added=ids, refused=refused, revision=base.revision)

    async def edit(
        self,
        tenant: str,
        entry: int,
        text: str | None = None,
        metadata: wire.Metadata | None = None,
        if_match: int | None = None,
    ) -> wire.Entry:
        base = self._base(tenant, "edit")
        base.check(if_match)
        if entry not in base.entries:
            raise UnknownEntry(f"cannot find entry {entry}")
        old = base.entries[entry]
        base.revision += 1
        return base.put(text or old.text, old.metadata if metadata is None else metadata, entry)

    async def delete(
        self, tenant: str, ids: Iterable[int], forget: bool = False, if_match: int | None = None
    ) -> wire.Deleted:
        base = self._base(tenant, "delete")
        base.check(if_match)
        known = [one for one in ids if base.entries.pop(one, None)]
        base.revision += 1
        return wire.Deleted(deleted=known, revision=base.revision)

    async def history(self, tenant: str, after: int | None = None, limit: int | None = None) -> wire.HistoryPage:
        base = self._base(tenant, "history")
        last = wire.Change(revision=base.revision, at=NOW, actor="user:editor", kind="set", added=1)
        return wire.HistoryPage(changes=[last])

    async def undo(self, tenant: str, if_match: int | None = None) -> wire.Change:
        base = self._base(tenant, "undo")
        base.check(if_match)
        base.entries.popitem()
        base.revision += 1
        return wire.Change(revision=base.revision, at=NOW, actor="user:editor", kind="undo", removed=1)

    async def entry_vector(self, tenant: str, entry: int, dims: int = 50) -> wire.Vector:
        base = self._base(tenant, "vector")
        if entry not in base.entries:
            raise UnknownEntry(f"cannot find entry {entry}")
        return _vector(base.entries[entry].text, dims)

    async def vector(self, tenant: str, text: str, kind: str = "query", dims: int = 50) -> wire.Vector:
        self._base(tenant, "vector")
        return _vector(text, dims)

    async def export(self, tenant: str, format: str = "txt") -> AsyncIterator[bytes]:
        for one in self._base(tenant, f"export-{format}").entries.values():
            yield (one.text if format == "txt" else json.dumps({"text": one.text})).encode() + b"\n"

    async def import_entries(
        self, tenant: str, data: bytes, media_type: str, mode: str = "add", if_match: int | None = None
    ) -> wire.Operation:
        base = self._base(tenant, f"import {media_type} {mode}")
        texts = data.decode().splitlines()
        refused = base.refused(texts)
        lines = {one.line for one in refused}
        for line, text in enumerate(texts, 1):
            if line not in lines:
                base.put(text)
        base.revision += 1
        result = {
            "added": len(texts) - len(refused),
            "refused": [one.model_dump() for one in refused],
            "refused_total": len(refused),
            "revision": base.revision,
        }
        start = wire.Operation(
            id="e-1",
            kind="import",
            tenant=tenant,
            state=wire.OperationState.RUNNING,
            started_at=NOW,
            progress=wire.Progress(done=1, total=len(texts), unit="entries"),
        )
        end = start.model_copy(update={"state": wire.OperationState.DONE, "result": result})
        self._daemon.operations["e-1"] = [start, end]
        return start

    async def operation(self, tenant: str, operation: str) -> wire.Operation:
        self._base(tenant, "operation")
        waiting = self._daemon.operations[operation]
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    async def wait(self, tenant: str, operation: str, timeout: float = 30) -> wire.Operation:  # noqa: ASYNC109
        return await self.operation(tenant, operation)


def _alike(one: str, other: str) -> float:
    return len(set(one) & set(other)) / (len(set(one)) or 1)


def _vector(text: str, dims: int) -> wire.Vector:
    raw = [((ord(character) * 37) % 101 - 50) / 500 for character in (text * 60)[:512]]
    return wire.Vector(dimension=512, norm=1.0, fingerprint="use-multilingual:3:float32", values=raw[:dims])
