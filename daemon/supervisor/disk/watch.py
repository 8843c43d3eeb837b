"""The watch of the disk: it ends a tenant whose folder passes its bound, and warns when little is free for all.

Each second it looks at the free space, which costs nothing. It measures tenants when the free space has fallen by a
step, and every now and then: those that have a limit, and all of them when the free space nears the floor. A tenant's
own encoder refuses writes long before its folder passes the bound (`bound.py`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from daemon.core.errors import VecwardError
from daemon.supervisor.disk.bound import Bound, bound_of
from daemon.supervisor.disk.free import Free, by_disk
from daemon.supervisor.disk.usage import ANY, Usage
from daemon.supervisor.process.encoder_process import EncoderProcess
from daemon.supervisor.records.events import EventLog, EventName
from daemon.supervisor.states import Trigger
from daemon.supervisor.tenants.check_warnings import CheckWarnings
from daemon.supervisor.tenants.shown.warnings import WarningKey
from daemon.supervisor.tenants.tenant import Tenant

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
AT_ONCE = 4
ROUNDS = 10  # tenants are measured after so many rounds of the health check, however much is free
REMEMBERED_S = 3600.0  # who grew most is who grew most within this time
_LEAST_GROWN_MB = 1.0  # less is no tenant's fault

Measure = Callable[[Tenant, Bound], Awaitable[Usage]]


@dataclass
class _Past:
    """Earlier sizes of a tenant's folder, as (monotonic seconds, MiB), and the process that was measured last."""

    seen: EncoderProcess | None = None
    sizes: deque[tuple[float, float]] = field(default_factory=deque)

    def take(self, now: float, megabytes: float) -> None:
        self.sizes.append((now, megabytes))
        while now - self.sizes[0][0] > REMEMBERED_S:
            self.sizes.popleft()

    @property
    def grown_mb(self) -> float:
        return self.sizes[-1][1] - self.sizes[0][1] if self.sizes else 0.0


@dataclass
class _Disk:
    """A file system at the last measurement."""

    free: Free
    measured_at: float
    low: bool = False


class DiskWatch:
    """The watch over all tenants that have a process."""

    def __init__(
        self,
        tenants: Callable[[], Collection[Tenant]],
        events: EventLog,
        measure: Measure,
        end_jobs: Callable[[Tenant], Awaitable[None]],
        *,
        floor_mb: int,
        every_s: float,
    ) -> None:
        """Take `end_jobs`, which ends a tenant's job processes, and `every_s`, the period of the health check."""
        self._tenants = tenants
        self._events = events
        self._warnings = CheckWarnings(events)
        self._measure = measure
        self._end_jobs = end_jobs
        self._floor_mb = floor_mb
        self._every_s = every_s * ROUNDS
        self._disks: dict[int, _Disk] = {}
        self._past: dict[str, _Past] = {}

    async def run(self) -> None:
        """Look at the disk each second, for good."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self.look()
            except Exception:  # a bug in one look must not end the watch
                log.exception("disk-watch-failed")

    async def look(self) -> None:
        """Look at the free space once, and measure tenants where that is due."""
        running = [tenant for tenant in self._tenants() if tenant.process is not None]
        self._forget({tenant.name for tenant in self._tenants()})
        found = await asyncio.to_thread(by_disk, [tenant.paths.data for tenant in running])
        for free, at in found.items():
            on_it = [running[position] for position in at]
            every = free.is_low(self._floor_mb, times=2) or self._was_low(free)
            await self._look_at(free, [tenant for tenant in on_it if every or _limit(tenant) is not None])

    def _was_low(self, free: Free) -> bool:
        return free.device in self._disks and self._disks[free.device].low

    def _forget(self, names: set[str]) -> None:
        for name in self._past.keys() - names:
            del self._past[name]

    async def _look_at(self, free: Free, tenants: Sequence[Tenant]) -> None:
        now = time.monotonic()
        if not self._is_due(free, tenants, now):
            return
        slots = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for tenant in tenants:
                group.create_task(self._check(tenant, now, slots), name=f"disk {tenant.name}")
        state = self._disks.setdefault(free.device, _Disk(free, now))
        state.free, state.measured_at = free, now
        self._tell_low(state, tenants)

    def _is_due(self, free: Free, tenants: Sequence[Tenant], now: float) -> bool:
        state = self._disks.get(free.device)
        if not tenants:
            return False
        if state is None or now - state.measured_at > self._every_s:
            return True
        if free.has_fallen(state.free) or free.is_low(self._floor_mb) is not state.low:
            return True
        return any(self._past.get(tenant.name, _Past()).seen is not tenant.process for tenant in tenants)

    # --- one tenant ----------------------------------------------------------------------------------

    async def _check(self, tenant: Tenant, now: float, slots: asyncio.Semaphore) -> None:
        process = tenant.process
        bound = bound_of(_limit(tenant))
        try:
            async with slots:
                usage = await self._measure(tenant, bound or ANY)
        except (VecwardError, OSError) as error:
            words = f"disk: the size of its folder can't be measured ({error}); see the daemon's log"
            self._warnings.update(tenant, WarningKey.DISK_COUNT, words, EventName.DISK)
            return
        finally:
            self._past.setdefault(tenant.name, _Past()).seen = process
        self._warnings.clear(tenant, WarningKey.DISK_COUNT)
        self._past[tenant.name].take(now, usage.megabytes)
        if bound is not None and usage.passes(bound) and tenant.process is process:
            await self._end(tenant, usage, bound)

    async def _end(self, tenant: Tenant, usage: Usage, bound: Bound) -> None:
        reason = too_much(usage, bound, tenant.paths.data)
        figures = {"value_mb": usage.megabytes, "files": usage.files, "limit_mb": _limit(tenant)}
        self._events.emit(EventName.LIMIT_CROSSED, tenant.name, reason=reason, limit="disk_mb", **figures)
        log.warning("disk-limit-crossed", extra={"tenant": tenant.name, "reason": reason})
        tenant.post(Trigger.REFUSED, reason, tenant.process)
        await self._end_jobs(tenant)

    # --- all of them ---------------------------------------------------------------------------------

    def _tell_low(self, state: _Disk, tenants: Sequence[Tenant]) -> None:
        was_low, state.low = state.low, state.free.is_low(self._floor_mb)
        grew = max(tenants, key=lambda tenant: self._past[tenant.name].grown_mb)
        grown_mb = self._past[grew.name].grown_mb
        culprit = grew if state.low and grown_mb > _LEAST_GROWN_MB else None
        for tenant in tenants:
            if tenant is not culprit:
                self._warnings.clear(tenant, WarningKey.DISK)
        about = {"free_mb": state.free.megabytes, "free_files": state.free.files, "floor_mb": self._floor_mb}
        words = f"disk: {state.free.words}, below the floor of {self._floor_mb:,} MB (health.disk_floor_mb)"
        if culprit is not None:
            grown = f"this tenant grew most, by {grown_mb:,.0f} MB within the hour; limits.disk_mb would bound it"
            self._warnings.update(
                culprit, WarningKey.DISK, f"{words}; {grown}", EventName.DISK, **about, grown_mb=grown_mb
            )
        elif state.low and not was_low:
            self._events.emit(EventName.DISK, None, reason=f"{words}; no tenant grew", **about)
            log.warning("disk-low", extra={"reason": words})


def _limit(tenant: Tenant) -> int | None:
    return tenant.config.limits.disk_mb if tenant.config is not None else None


def too_much(usage: Usage, bound: Bound, folder: Path | str) -> str:
    """The words to a tenant whose folder passes its bound."""
    if usage.megabytes > bound.megabytes:
        what = f"{usage.megabytes:,.0f} MB; the limit is {bound.megabytes:,} MB (2 × limits.disk_mb + 64 MB)"
    else:
        what = f"more files than the limit of {bound.files:,} (10,000 + 16 × limits.disk_mb)"
    return (
        f"stopped: its folder holds {what}; an encoder never needs that much: look into {folder}, remove what does not "
        "belong there or raise the limit, then start the tenant"
    )
