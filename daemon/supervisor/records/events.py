"""Events: fixed names, kept in state.db, streamed to followers."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from daemon.core.files import disk
from daemon.core.wire import Event, EventPage
from daemon.supervisor.records.state_db import StateDb

KEPT = 10_000
_FOLLOWER_QUEUE = 1000

log = logging.getLogger(__name__)


class EventName(StrEnum):
    """The name of an event; names are never changed, since programs read them."""

    DAEMON_STARTED = "daemon-started"
    DAEMON_STOPPING = "daemon-stopping"
    CONFIG_REFUSED = "config-refused"
    TENANT_STATE = "tenant-state"
    TENANT_CRASHED = "tenant-crashed"
    TENANT_HUNG = "tenant-hung"
    TENANT_REFUSED = "tenant-refused"
    TENANT_CREATED = "tenant-created"
    TENANT_CHANGED = "tenant-changed"
    TENANT_DELETED = "tenant-deleted"
    LIMIT_CROSSED = "limit-crossed"
    LIMIT_CLEARED = "limit-cleared"
    CANARY_FAILED = "canary-failed"
    INDEX_DIFFERS = "index-differs"
    GPU = "gpu"
    DISK = "disk"


class EventLog:
    """The newest `KEPT` events, and their followers.

    A follower that does not keep up is cut off: its stream ends, and it asks again with `after`.
    """

    def __init__(self, db: StateDb) -> None:
        self._db = db.connection
        self._followers: set[asyncio.Queue[Event | None]] = set()
        self._waiting: deque[Event] = deque(maxlen=KEPT)  # for room on the disk; their ids come with it

    def emit(self, name: EventName, tenant: str | None = None, **data: Any) -> None:
        """Keep an event and send it to followers; on a full disk, as soon as there is room."""
        self._waiting.append(Event(id=0, at=datetime.now(UTC), name=name.value, tenant=tenant, data=data))
        self.catch_up()

    def catch_up(self) -> None:
        """Keep and send the events that waited for room on the disk."""
        while self._waiting:
            event = self._waiting[0]
            try:
                event = self._keep(event)
            except sqlite3.Error as error:
                if disk.is_full(error):
                    log.error("event-not-kept", extra={"tenant": event.tenant, "waiting": len(self._waiting)})  # noqa: TRY400
                    return
                self._waiting.popleft()
                raise
            self._waiting.popleft()
            for queue in list(self._followers):
                self._offer(queue, event)

    def _keep(self, event: Event) -> Event:
        cursor = self._db.execute(
            "INSERT INTO events (at, name, tenant, data) VALUES (?, ?, ?, ?)",
            (event.at.isoformat(), event.name, event.tenant, json.dumps(event.data, ensure_ascii=False)),
        )
        id_ = cursor.lastrowid or 0
        if id_ % 1000 == 0:
            self._db.execute("DELETE FROM events WHERE id <= ?", (id_ - KEPT,))
        return event.model_copy(update={"id": id_})

    def _offer(self, queue: asyncio.Queue[Event | None], event: Event) -> None:
        if queue.qsize() < _FOLLOWER_QUEUE:
            queue.put_nowait(event)
        else:
            self._followers.discard(queue)
            queue.put_nowait(None)
            log.warning("event-follower-cut-off", extra={"queued": queue.qsize()})

    def page(self, after: int | None, limit: int, tenants: set[str] | None) -> EventPage:
        """Events with a larger id than `after`, oldest first; the newest `limit` when `after` is None.

        `tenants` None: events of all; else of those tenants only.
        """
        where, values = ["id > ?"], [after or 0]
        parameters: list[Any] = list(values)
        if tenants is not None:
            where.append(f"tenant IN ({','.join('?' * len(tenants))})")
            parameters += sorted(tenants)
        order = "DESC" if after is None else "ASC"
        rows = self._db.execute(
            f"SELECT id, at, name, tenant, data FROM events WHERE {' AND '.join(where)} ORDER BY id {order} LIMIT ?",  # noqa: S608
            [*parameters, limit],
        ).fetchall()
        found = sorted((_event(row) for row in rows), key=lambda event: event.id)
        return EventPage(events=found, next=found[-1].id if found else after)

    async def follow(self, after: int | None) -> AsyncIterator[Event]:
        """Events since `after` (None: from now on), then those that happen."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self._followers.add(queue)
        seen = after or 0
        try:
            while after is not None:
                page = self.page(seen, 500, None)
                for past in page.events:
                    yield past
                    seen = past.id
                if len(page.events) < 500:
                    break
            while (event := await queue.get()) is not None:
                if event.id > seen:
                    yield event
        finally:
            self._followers.discard(queue)

    def close(self) -> None:
        """End every follower's stream."""
        for queue in self._followers:
            queue.put_nowait(None)


def _event(row: tuple[int, str, str, str | None, str]) -> Event:
    return Event(id=row[0], at=datetime.fromisoformat(row[1]), name=row[2], tenant=row[3], data=json.loads(row[4]))
