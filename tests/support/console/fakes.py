"""An in-memory daemon for tests of the console: knowledge bases, users and their roles, no socket and no process.

Its clients are in fake_client.py. A test holds them to the real daemon: tests/integration/console.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from daemon.core import wire
from daemon.core.errors import NothingToUndo, RevisionChanged
from daemon.core.roles import Role

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PASSWORD = "correct horse"
ADMIN = "admin"  # the user who administers the host


@dataclass
class Done:
    """A change, and the entries that it changed."""

    change: wire.Change
    before: dict[int, wire.Entry]


class FakeBase:
    """Entries of a tenant, and every change of them."""

    def __init__(self, view: wire.TenantView, texts: Iterable[str]) -> None:
        self.view = view
        self.revision = 0
        self.next_id = 1
        self.entries: dict[int, wire.Entry] = {}
        self.done: list[Done] = []
        before = dict(self.entries)
        for text in texts:
            self.put(text)
        if self.entries:
            self.commit("set", before, added=len(self.entries))

    def put(self, text: str, metadata: wire.Metadata | None = None, entry: int | None = None) -> wire.Entry:
        """Add an entry, or write one anew."""
        if entry is None:
            entry, self.next_id = self.next_id, self.next_id + 1
        made = wire.Entry(id=entry, text=text, metadata=metadata or {}, created_at=NOW, updated_at=NOW)
        self.entries[entry] = made
        return made

    def commit(self, kind: str, before: dict[int, wire.Entry], **counts: int) -> wire.Change:
        """Record a change; `before` are the entries as they were."""
        self.revision += 1
        change = wire.Change(revision=self.revision, at=NOW, actor="user:editor", kind=kind, **counts)
        self.done.append(Done(change, before))
        return change

    def undo(self) -> wire.Change:
        """Take back the last change that still stands and is no taking back itself."""
        last = next((one for one in reversed(self.done) if one.change.kind != "undo" and not one.change.undone), None)
        if last is None:
            raise NothingToUndo("cannot undo: there is no change")
        last.change = last.change.model_copy(update={"undone": True})
        before, self.entries = dict(self.entries), dict(last.before)
        added = len(self.entries.keys() - before.keys())
        return self.commit("undo", before, added=added, removed=len(before.keys() - self.entries.keys()))

    def check(self, if_match: int | None) -> None:
        """Refuse a change that was made for another revision."""
        if if_match is not None and if_match != self.revision:
            raise RevisionChanged("cannot save: the base has changed; load it again", revision=self.revision)

    def refused(self, texts: list[str], *, adding: bool) -> list[wire.Refused]:
        """List the lines that are too short, or repeat an earlier line or, when `adding`, an entry."""
        ids = {one.text: one.id for one in self.entries.values()}
        seen = set(ids) if adding else set()
        found = []
        for line, text in enumerate(texts, 1):
            if len(text) < self.view.min_chars:
                found.append(wire.Refused(line=line, text=text, kind="too-short", reason="cannot add: too short"))
            elif text in seen:
                why = "cannot add: is there"
                found.append(wire.Refused(line=line, text=text, kind="duplicate", reason=why, id=ids.get(text)))
            seen.add(text)
        return found


@dataclass
class FakeDaemon:
    """Tenants and users of a host.

    `users` maps names to session strings, `roles` maps them to a role by tenant, `acted` records who asked for what.
    """

    users: dict[str, str] = field(default_factory=lambda: {name: f"s-{name}" for name in ("demo", "editor", ADMIN)})
    roles: dict[str, dict[str, Role]] = field(default_factory=lambda: {name: {} for name in ("demo", "editor", ADMIN)})
    bases: dict[str, FakeBase] = field(default_factory=dict)
    acted: list[tuple[str | None, str]] = field(default_factory=list)
    operations: dict[str, list[wire.Operation]] = field(default_factory=dict)

    def add(self, name: str, title: wire.Title, texts: Iterable[str], **fields: Any) -> FakeBase:
        """Add a tenant that demo may search, editor edit and admin administer."""
        view = wire.TenantView(
            name=name,
            title=title,
            state="ready",
            goal="up",
            threshold=0.4,
            uptime_s=4000.0,
            device="cpu",
            isolation="process",
            memory_mb=210.5,
            **fields,
        )
        self.bases[name] = FakeBase(view, texts)
        for user, role in (("demo", Role.SEARCHER), ("editor", Role.EDITOR), (ADMIN, Role.ADMIN)):
            self.roles[user][name] = role
        return self.bases[name]
