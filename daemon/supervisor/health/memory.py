"""A tenant's memory and GPU against its limits, and what `limits.on_memory_limit: restart` does about it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from daemon.core.process_memory import resident_mb
from daemon.supervisor.gpu import users
from daemon.supervisor.gpu.nvml import Device
from daemon.supervisor.process.encoder_process import EncoderProcess
from daemon.supervisor.records.events import EventName
from daemon.supervisor.states import Trigger
from daemon.supervisor.tenants.check_warnings import CheckWarnings
from daemon.supervisor.tenants.shown.warnings import WarningKey
from daemon.supervisor.tenants.tenant import Tenant

RESTART_PAUSE_S = 300.0


@dataclass(frozen=True)
class GpuReading:
    """The devices as NVML saw them at the beginning of a round, or the trouble that it had."""

    devices: Sequence[Device] = ()
    trouble: str | None = None


@dataclass
class _Past:
    process: EncoderProcess | None = None
    seen_below: bool = False  # this very process has been within its limits
    restarted_at: float | None = None  # monotonic seconds


class MemoryChecks:
    """The memory check of every tenant, with what is remembered of its last restart."""

    def __init__(self, warnings: CheckWarnings, encoders: Callable[[], Collection[int]]) -> None:
        """Make it; `encoders` returns the pids of this daemon's encoders: any other on a tenant's GPU is foreign."""
        self._warnings = warnings
        self._encoders = encoders
        self._past: dict[str, _Past] = {}

    def check(self, tenant: Tenant, reading: GpuReading) -> None:
        process = tenant.process
        if process is None or process.pid is None or tenant.config is None:
            return
        limits = tenant.config.limits
        used_mb = resident_mb(process.pid)
        gpu_memory_mb = self._gpu_memory(tenant, process.pid, reading)
        tenant.facts.show_gpu_memory(gpu_memory_mb)
        over = [
            words
            for words in (
                self._limit(tenant, WarningKey.MEMORY, "memory", used_mb, limits.memory_mb),
                self._limit(tenant, WarningKey.GPU_MEMORY, "GPU memory", gpu_memory_mb, limits.gpu_memory_mb),
            )
            if words
        ]
        self._restart(tenant, process, over)

    def _limit(
        self, tenant: Tenant, key: WarningKey, what: str, value: float | None, allowed: int | None
    ) -> str | None:
        """Compare one figure with its limit, and return the words where it is crossed."""
        over = value is not None and allowed is not None and value > allowed
        words = f"{what}: {value:.0f} MB, over the limit of {allowed} MB (limits.{key})" if over else None
        about = {"limit": key.value, "value_mb": value, "limit_mb": allowed}
        self._warnings.update(tenant, key, words, EventName.LIMIT_CROSSED, **about)
        return words

    # --- restart -------------------------------------------------------------------------------------

    def _restart(self, tenant: Tenant, process: EncoderProcess, over: list[str]) -> None:
        """Restart an encoder past its limits, if a restart can help: it has been within them since the last one."""
        past = self._past.setdefault(tenant.name, _Past())
        if past.process is not process:
            past.process, past.seen_below = process, False
        if not over:
            past.seen_below = True
        elif tenant.config is not None and tenant.config.limits.on_memory_limit == "restart":
            self._restart_or_say(tenant, past, over)

    def _restart_or_say(self, tenant: Tenant, past: _Past, over: list[str]) -> None:
        now = time.monotonic()
        if past.restarted_at is None or (past.seen_below and now - past.restarted_at > RESTART_PAUSE_S):
            past.restarted_at = now
            tenant.post(Trigger.RESTART, "; ".join(over))
            return
        for key in (WarningKey.MEMORY, WarningKey.GPU_MEMORY):
            if (words := tenant.warnings.get(key)) is not None:
                since = now - past.restarted_at
                tenant.warnings.warn(key, f"{words}; a restart {since:.0f} s ago did not help: raise the limit")

    def keep(self, names: Collection[str]) -> None:
        """Forget all tenants but these."""
        for name in set(self._past) - set(names):
            del self._past[name]

    # --- GPU -----------------------------------------------------------------------------------------

    def _gpu_memory(self, tenant: Tenant, pid: int, reading: GpuReading) -> float | None:
        """Return the MiB that the encoder has on its GPU; None where it is on no GPU, or the driver does not tell."""
        uuid = tenant.facts.placement.uuid if tenant.facts.placement else None
        if uuid is None:
            return None
        device = next((each for each in reading.devices if each.uuid == uuid), None)
        trouble = reading.trouble or ("it has gone from this host" if device is None else device.problem)
        self._warnings.update(tenant, WarningKey.GPU, f"GPU: {trouble}" if trouble else None, EventName.GPU)
        if device is None or trouble:
            return None
        ours = set(self._encoders())
        foreign = "; ".join(users.words(user) for user in device.users if user.pid not in ours)
        self._warnings.update(tenant, WarningKey.GPU_FOREIGN, f"GPU: {foreign}" if foreign else None, EventName.GPU)
        used = [user.memory_mb for user in device.users if user.pid == pid]
        return None if None in used else sum(each or 0.0 for each in used)
