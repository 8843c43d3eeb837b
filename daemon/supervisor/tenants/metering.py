"""Usage by tenant and day, kept in state.db: the `by_day` rows of the list of counters, and storage.

Encoders count since their start; the daemon asks them every `EVERY_S`, before it stops one and before it
answers a question about the usage, and adds the difference. A kill loses at most what came since the last question.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from daemon.core.encoder_protocol.counters import BY_DAY, COUNTERS, STORAGE_KEY, TIMINGS
from daemon.core.encoder_protocol.histogram import BUCKETS
from daemon.core.http.response import ConnectionLost
from daemon.core.wire import UsageDay, UsagePage
from daemon.supervisor.process.encoder_process import EncoderProcess
from daemon.supervisor.records.state_db import StateDb
from daemon.supervisor.tenants.tenant import Tenant

EVERY_S = 20.0
_ASK_S = 2.0
_MAX_ANSWER_BYTES = 4096  # what is read of a tenant's word
_MAX_COUNT = 1e15

log = logging.getLogger(__name__)

Figures = dict[str, float]

_COLUMNS = ("tenant", "day", *(counter.name for counter in BY_DAY), STORAGE_KEY)
_SUMS = ", ".join(f"{counter.name} = {counter.name} + excluded.{counter.name}" for counter in BY_DAY)
_ADD_TO_DAY = (
    f"INSERT INTO usage ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "  # noqa: S608
    f"ON CONFLICT (tenant, day) DO UPDATE SET {_SUMS}, {STORAGE_KEY} = excluded.{STORAGE_KEY}"
)


@dataclass
class Totals:
    """Figures of a tenant's encoders since the daemon started, by the names of the list of counters.

    `times`: the count of each bucket, then the sum in seconds.
    """

    counters: Figures = field(default_factory=lambda: {counter.name: 0.0 for counter in COUNTERS})
    times: dict[str, list[float]] = field(
        default_factory=lambda: {timing.name: [0.0] * (BUCKETS + 1) for timing in TIMINGS}
    )
    storage_bytes: float = 0.0


class Metering:
    """Sums of counters, each of which only grows while its process lives."""

    def __init__(
        self, db: StateDb, live: Callable[[], Iterable[Tenant]], now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.totals: dict[str, Totals] = {}
        self._db = db
        self._live = live
        self._now = now
        self._seen: dict[str, tuple[EncoderProcess, Totals]] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._asked_at: dict[str, float] = {}

    async def run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            await self.collect()
            self._db.catch_up()

    async def collect(self, names: Collection[str] | None = None) -> None:
        """Ask every ready encoder now, or those of these tenants."""
        await asyncio.gather(*(self.ask(tenant) for tenant in self._live() if names is None or tenant.name in names))

    async def ask(self, tenant: Tenant) -> None:
        """Add what this encoder did since it was last asked; one that does not answer is asked again later.

        One question runs at a time, since an older answer added after a newer one would count twice. Callers that came
        during a question share the next one: many of them do not queue up behind a silent encoder.
        """
        came = time.monotonic()
        async with self._turns[tenant.name]:
            if self._asked_at.get(tenant.name, 0.0) < came:
                self._asked_at[tenant.name] = time.monotonic()
                with tenant.traffic.daemons_own_request():
                    await self._ask(tenant)

    async def _ask(self, tenant: Tenant) -> None:
        process = tenant.process
        if process is None:
            return
        try:
            async with asyncio.timeout(_ASK_S):
                response = await tenant.traffic.pool.send("GET", "/internal/usage", [], b"")
                said = json.loads(await response.read_at_most(_MAX_ANSWER_BYTES))
            if tenant.process is process and response.status == 200 and isinstance(said, dict):
                self._add(tenant.name, process, said)
        except (TimeoutError, OSError, ConnectionLost, ValueError, TypeError, RecursionError) as error:
            log.info("usage-unanswered", extra={"tenant": tenant.name, "reason": str(error) or type(error).__name__})

    def forget(self, tenant: str) -> None:
        """Forget a tenant that was removed; another one of its name may come."""
        self.totals.pop(tenant, None)
        self._seen.pop(tenant, None)
        self._turns.pop(tenant, None)
        self._asked_at.pop(tenant, None)

    def _add(self, tenant: str, process: EncoderProcess, said: dict[str, object]) -> None:
        report = _totals(said)
        before_process, before = self._seen.get(tenant, (process, Totals()))
        if before_process is not process:
            before = Totals()
        self._seen[tenant] = (process, report)
        grown = {name: max(0.0, number - before.counters[name]) for name, number in report.counters.items()}
        self._add_to_totals(tenant, report, before, grown)
        self._keep(tenant, grown, report.storage_bytes)

    def _add_to_totals(self, tenant: str, report: Totals, before: Totals, grown: Figures) -> None:
        totals = self.totals.setdefault(tenant, Totals())
        totals.storage_bytes = report.storage_bytes
        for name, growth in grown.items():
            totals.counters[name] += growth
        for name in report.times:
            pairs = zip(totals.times[name], report.times[name], before.times[name], strict=True)
            totals.times[name] = [total + max(0.0, now - then) for total, now, then in pairs]

    def _keep(self, tenant: str, grown: Figures, storage_bytes: float) -> None:
        day = self._now().date().isoformat()
        self._db.keep(_ADD_TO_DAY, (tenant, day, *(grown[counter.name] for counter in BY_DAY), storage_bytes))

    def page(self, tenants: Iterable[str], since: str | None = None) -> UsagePage:
        """Usage of these tenants, by day, newest first; `since` is an ISO date."""
        wanted = sorted(tenants)
        marks = ",".join("?" * len(wanted))
        rows = self._db.connection.execute(
            f"SELECT {', '.join(_COLUMNS)} FROM usage "  # noqa: S608  (no column comes from outside)
            f"WHERE tenant IN ({marks}) AND day >= ? ORDER BY day DESC, tenant",
            (*wanted, since or ""),
        ).fetchall()
        return UsagePage(usage=[_day(*row) for row in rows])


def _day(tenant: str, day: str, *figures: float) -> UsageDay:
    *counted, storage = figures
    numbers = zip(BY_DAY, counted, strict=True)
    shown = {row.name: round(number, 3) if row.unit == "seconds" else int(number) for row, number in numbers}
    return UsageDay.model_validate({"tenant": tenant, "day": day, **shown, STORAGE_KEY: int(storage)})


def _totals(said: dict[str, object]) -> Totals:
    """Return an encoder's figures as plain numbers in the shapes that are known here: a tenant can't break the sums."""
    counters = {counter.name: _number(said.get(counter.name)) for counter in COUNTERS}
    times = {timing.name: _numbers(said.get(timing.key), BUCKETS + 1) for timing in TIMINGS}
    return Totals(counters, times, _number(said.get(STORAGE_KEY)))


def _numbers(value: object, length: int) -> list[float]:
    return [_number(each) for each in value] if isinstance(value, list) and len(value) == length else [0.0] * length


def _number(value: object) -> float:
    if isinstance(value, int | float) and 0 <= value < _MAX_COUNT:
        return float(value)
    return 0.0
