"""What each tenant used, per day, kept in state.db: queries, texts, tokens, encoder-seconds, storage.

Encoders count since their start; the daemon asks them every `EVERY_S` and before it stops one, and adds the
difference. A kill loses at most what came since the last question.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from daemon.client.connection import ConnectionLost
from daemon.core.wire import UsageDay, UsagePage
from daemon.supervisor.process import EncoderProcess
from daemon.supervisor.state_db import StateDb
from daemon.supervisor.tenant import Tenant

EVERY_S = 20.0
_ASK_S = 2.0
_MAX_ANSWER_BYTES = 4096
_COUNTERS = ("queries", "texts", "tokens", "encoder_s")

log = logging.getLogger(__name__)


class Metering:
    """Adds up counters that only grow while their process lives."""

    def __init__(
        self, db: StateDb, live: Callable[[], Iterable[Tenant]], now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._db = db.connection
        self._live = live
        self._now = now
        self._seen: dict[str, tuple[EncoderProcess, dict[str, float]]] = {}

    async def run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            await self.collect()

    async def collect(self) -> None:
        """Asks every ready encoder now."""
        await asyncio.gather(*(self.ask(tenant) for tenant in self._live()))

    async def ask(self, tenant: Tenant) -> None:
        """Adds what this encoder did since it was last asked; one that does not answer is asked again later."""
        process = tenant.process
        if process is None:
            return
        tenant.daemons_own += 1
        try:
            async with asyncio.timeout(_ASK_S):
                response = await tenant.pool.send("GET", "/internal/usage", [], b"")
                counters = json.loads(await response.read_at_most(_MAX_ANSWER_BYTES))
            if tenant.process is process and response.status == 200 and isinstance(counters, dict):
                self._add(tenant.name, process, counters)
        except (TimeoutError, OSError, ConnectionLost, ValueError, TypeError, RecursionError) as error:
            log.info("usage-not-told", extra={"tenant": tenant.name, "reason": str(error) or type(error).__name__})
        finally:
            tenant.daemons_own -= 1

    def _add(self, tenant: str, process: EncoderProcess, counters: dict[str, object]) -> None:
        told = {name: _number(counters.get(name)) for name in _COUNTERS}
        before_process, before = self._seen.get(tenant, (process, {}))
        if before_process is not process:
            before = {}
        self._seen[tenant] = (process, told)
        grown = [max(0.0, told[name] - before.get(name, 0.0)) for name in _COUNTERS]
        day = self._now().date().isoformat()
        self._db.execute(
            "INSERT INTO usage (tenant, day, queries, texts, tokens, encoder_s, storage_bytes) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, day) DO UPDATE SET "
            "queries = queries + excluded.queries, "
            "texts = texts + excluded.texts, tokens = tokens + excluded.tokens, "
            "encoder_s = encoder_s + excluded.encoder_s, storage_bytes = excluded.storage_bytes",
            (tenant, day, *grown, _number(counters.get("storage_bytes"))),
        )

    def page(self, tenants: Iterable[str], since: str | None = None) -> UsagePage:
        """Usage of these tenants, by day, newest first; `since` is an ISO date."""
        wanted = sorted(tenants)
        marks = ",".join("?" * len(wanted))
        rows = self._db.execute(
            "SELECT tenant, day, queries, texts, tokens, encoder_s, storage_bytes FROM usage "  # noqa: S608
            f"WHERE tenant IN ({marks}) AND day >= ? ORDER BY day DESC, tenant",
            (*wanted, since or ""),
        ).fetchall()
        return UsagePage(
            usage=[
                UsageDay(tenant=t, day=d, queries=int(q), texts=int(x), tokens=int(k), encoder_s=round(s, 3),
                         storage_bytes=int(b))
                for t, d, q, x, k, s, b in rows
            ]
        )  # fmt: skip


def _number(value: object) -> float:
    """An encoder's word, made a plain number: a tenant can't break the sum with it."""
    if isinstance(value, int | float) and 0 <= value < 1e15:
        return float(value)
    return 0.0
