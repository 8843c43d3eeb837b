"""`state.db`: the daemon's memory across restarts. SQLite, opened once, used on the main thread."""

from __future__ import annotations

import logging
import pwd
import sqlite3
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from daemon.core.encoder_protocol.counters import BY_DAY
from daemon.core.errors import DiskFull, StartRefused
from daemon.core.files import disk
from daemon.supervisor.states import Goal

log = logging.getLogger(__name__)

SCHEMA_VERSION = 3
MAX_WAITING = 10_000  # writes that wait for room on the disk

_SCHEMA = """
CREATE TABLE tenants (name TEXT PRIMARY KEY, goal TEXT NOT NULL, parked INTEGER, gpu TEXT);
CREATE TABLE uids (uid INTEGER PRIMARY KEY, tenant TEXT NOT NULL, retired INTEGER NOT NULL DEFAULT 0);
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, name TEXT NOT NULL, tenant TEXT, data TEXT NOT NULL
);
CREATE TABLE usage (
    tenant TEXT NOT NULL, day TEXT NOT NULL, queries REAL NOT NULL, texts REAL NOT NULL, tokens REAL NOT NULL,
    encoder_s REAL NOT NULL, storage_bytes REAL NOT NULL, PRIMARY KEY (tenant, day)
);
CREATE INDEX events_by_tenant ON events (tenant, id);
CREATE TABLE operations (
    id TEXT PRIMARY KEY, tenant TEXT NOT NULL, document TEXT NOT NULL, running INTEGER NOT NULL, at REAL NOT NULL
);
"""

# From each older version to the next.
_MIGRATIONS = {
    1: "ALTER TABLE tenants ADD COLUMN parked INTEGER;",
    2: "ALTER TABLE tenants ADD COLUMN gpu TEXT;",
}


class StateDb:
    """Goals, uids, events and operations. Uids are handed out once and never again."""

    def __init__(self, path: Path) -> None:
        self._waiting: deque[tuple[str, Sequence[Any]]] = deque()
        path.parent.mkdir(parents=True, exist_ok=True)
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        path.chmod(0o600)
        try:
            self._prepare(path)
        except sqlite3.DatabaseError as error:
            if disk.is_full(error):
                raise DiskFull(f"cannot use {path}: the disk that holds it is full; make room on it") from error
            raise StartRefused(
                f"cannot use {path}: {error}; it holds goals, events and uids: move it away to start with an empty one "
                "(tenants' knowledge is not in it)"
            ) from error

    def _prepare(self, path: Path) -> None:
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute("PRAGMA synchronous=NORMAL")
        self.connection.execute("PRAGMA busy_timeout=5000")
        found = self.connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":  # told now, with the way out, rather than by the tenant whose row it hits
            raise sqlite3.DatabaseError(found)
        version = self.connection.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise StartRefused(
                f"cannot use {path}: its schema version {version} is newer than this vecward's {SCHEMA_VERSION}; "
                "upgrade vecward"
            )
        if version == 0:
            self.connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
        for step in range(version or SCHEMA_VERSION, SCHEMA_VERSION):
            self.connection.executescript(f"BEGIN; {_MIGRATIONS[step]} PRAGMA user_version={step + 1}; COMMIT;")
        self._add_usage_columns()

    def _add_usage_columns(self) -> None:
        """Give the table of the usage a column for each counter that is kept by day and has none yet."""
        there = {row[1] for row in self.connection.execute("PRAGMA table_info(usage)")}
        for counter in BY_DAY:
            if counter.name not in there:
                self.connection.execute(f"ALTER TABLE usage ADD COLUMN {counter.name} REAL NOT NULL DEFAULT 0")

    def keep(self, sql: str, values: Sequence[Any] = ()) -> None:
        """Write now, or in turn when the disk has room again; a full disk stops nobody."""
        if len(self._waiting) >= MAX_WAITING:
            log.error("state-lost", extra={"sql": self._waiting.popleft()[0]})
        self._waiting.append((sql, values))
        self.catch_up()

    def catch_up(self) -> bool:
        """Write what waits for room; True when nothing waits any more."""
        waited = len(self._waiting) > 1
        while self._waiting:
            try:
                self.connection.execute(*self._waiting[0])
            except sqlite3.Error as error:
                if disk.is_full(error):
                    if not waited:  # once, not at each try
                        log.error("state-not-kept", extra={"reason": str(error)})  # noqa: TRY400  (no bug of ours)
                    return False
                self._waiting.popleft()
                raise
            self._waiting.popleft()
        if waited:
            log.info("state-kept-again")
        return True

    def goal(self, tenant: str) -> Goal:
        """The state that the tenant was last told to be in; up for a new tenant."""
        row = self.connection.execute("SELECT goal FROM tenants WHERE name = ?", (tenant,)).fetchone()
        return Goal(row[0]) if row else Goal.UP

    def set_goal(self, tenant: str, goal: Goal) -> None:
        self.keep(
            "INSERT INTO tenants (name, goal) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET goal = excluded.goal",
            (tenant, goal.value),
        )

    def parked(self, tenant: str) -> bool | None:
        """True where the tenant was parked when it was last up; None: it never was up."""
        row = self.connection.execute("SELECT parked FROM tenants WHERE name = ?", (tenant,)).fetchone()
        return None if row is None or row[0] is None else bool(row[0])

    def set_parked(self, tenant: str, parked: bool) -> None:
        self.keep(
            "INSERT INTO tenants (name, goal, parked) VALUES (?, ?, ?) "
            "ON CONFLICT (name) DO UPDATE SET parked = excluded.parked",
            (tenant, Goal.UP.value, parked),
        )

    def gpu(self, tenant: str) -> str | None:
        """The GPU that the tenant's file named, as it was written, when the tenant was last up."""
        row = self.connection.execute("SELECT gpu FROM tenants WHERE name = ?", (tenant,)).fetchone()
        return row[0] if row else None

    def set_gpu(self, tenant: str, gpu: str | None) -> None:
        if gpu != self.gpu(tenant):
            self.keep(
                "INSERT INTO tenants (name, goal, gpu) VALUES (?, ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET gpu = excluded.gpu",
                (tenant, Goal.UP.value, gpu),
            )

    def forget_tenant(self, tenant: str, *, purged: bool) -> None:
        """Remove the tenant's goal and retire its uid, which is never handed out again.

        `purged`: a later tenant of this name is another one, so the records of this one get another name.
        """
        self.keep("DELETE FROM tenants WHERE name = ?", (tenant,))
        self.keep("UPDATE uids SET retired = 1 WHERE tenant = ?", (tenant,))
        if purged:
            self._rename_records(tenant)

    def _rename_records(self, tenant: str) -> None:
        former = f"{tenant} (destroyed {datetime.now(UTC).isoformat(timespec='microseconds')})"
        self.keep("DELETE FROM operations WHERE tenant = ? AND NOT running", (tenant,))
        self.keep("UPDATE events SET tenant = ? WHERE tenant = ?", (former, tenant))
        self.keep("UPDATE usage SET tenant = ? WHERE tenant = ?", (former, tenant))

    def uid(self, tenant: str, first: int, last: int) -> int:
        """The tenant's numeric uid, taken from [first, last] at the first call."""
        row = self.connection.execute("SELECT uid FROM uids WHERE tenant = ? AND retired = 0", (tenant,)).fetchone()
        if row:
            return int(row[0])
        highest = self.connection.execute(
            "SELECT max(uid) FROM uids WHERE uid BETWEEN ? AND ?", (first, last)
        ).fetchone()[0]
        uid = first if highest is None else int(highest) + 1
        while uid <= last and _is_somebodys(uid):
            uid += 1
        if uid > last:
            raise StartRefused(
                f"cannot give tenant {tenant} a uid: uid_range [{first}, {last}] is used up; widen it in daemon.yaml"
            )
        self.connection.execute("INSERT INTO uids (uid, tenant) VALUES (?, ?)", (uid, tenant))
        return uid

    def uids_given(self, tenant: str) -> frozenset[int]:
        """All uids that a tenant of this name has or had."""
        rows = self.connection.execute("SELECT uid FROM uids WHERE tenant = ?", (tenant,)).fetchall()
        return frozenset(row[0] for row in rows)

    def close(self) -> None:
        self.connection.close()


def _is_somebodys(uid: int) -> bool:
    """True for the uid of a user of this host."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
