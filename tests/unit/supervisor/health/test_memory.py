"""Memory checks: limits that are crossed, restarts that help or do not, and whatever else is on a tenant's GPU."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from daemon.core.config.tenant_config import TenantConfig
from daemon.core.config.tenant_file import TenantFile
from daemon.supervisor.gpu.nvml import Device, GpuUser
from daemon.supervisor.gpu.placement import Placement
from daemon.supervisor.health import memory
from daemon.supervisor.health.memory import RESTART_PAUSE_S, GpuReading, MemoryChecks
from daemon.supervisor.tenants.check_warnings import CheckWarnings
from daemon.supervisor.tenants.shown.warnings import WarningKey
from tests.support.scripted_tenant import World

GPU = Placement(device="cuda:0", words="cuda:0", uuid="GPU-1")
PID = 4711  # of a scripted encoder
OURS = 4712  # another encoder of this daemon's


class Checked(World):
    """A ready tenant whose memory is what the test says, on a clock of the test's own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(folder)
        self.used_mb: float | None = 10.0
        self.now = 1000.0
        monkeypatch.setattr(memory, "resident_mb", lambda _: self.used_mb)
        monkeypatch.setattr(memory, "time", SimpleNamespace(monotonic=lambda: self.now))
        self.checks = MemoryChecks(CheckWarnings(self.events), lambda: [PID, OURS])

    def limit(self, **limits: Any) -> None:
        config = TenantConfig.model_validate({"encoder": {"backend": "fake"}, "limits": limits})
        self.tenant.put_in_force(TenantFile("acme", self.tenant.file.path, config))

    def check(self, used_mb: float | None, *devices: Device, trouble: str | None = None) -> None:
        self.used_mb = used_mb
        self.checks.check(self.tenant, GpuReading(devices, trouble))

    async def restarts(self) -> bool:
        """Tell whether the tenant was restarted meanwhile; it is ready again then."""
        process = self.process
        await self.settle()
        if self.process is process:
            return False
        await self.become_ready()
        return True

    def shown(self) -> dict[str, str]:
        return self.tenant.warnings.shown()

    def told(self) -> list[str]:
        """Return the names of events beside those of the states."""
        names = [event.name for event in self.events.page(0, 1000, None).events]
        return [name for name in names if name != "tenant-state"]


@pytest.fixture
async def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Checked]:
    made = Checked(tmp_path, monkeypatch)
    await made.become_ready()
    yield made
    await made.close()


# --- limits ---------------------------------------------------------------------------------------------------


async def test_a_limit_is_told_when_it_is_crossed_and_when_it_is_kept_again(checked: Checked) -> None:
    checked.limit(memory_mb=64)
    checked.check(64)
    assert checked.shown() == {}
    for figure in (65, 70):
        checked.check(figure)
        assert checked.shown() == {"memory_mb": f"memory: {figure} MB, over the limit of 64 MB (limits.memory_mb)"}
    assert checked.told() == ["limit-crossed"]
    checked.check(64)
    assert checked.shown() == {}
    assert checked.told() == ["limit-crossed", "limit-cleared"]
    assert not await checked.restarts()  # by default a warning is all


@pytest.mark.parametrize("used_mb", [None, 1e6])
async def test_an_unknown_figure_or_limit_crosses_nothing(checked: Checked, used_mb: float | None) -> None:
    checked.limit(**({"memory_mb": 64} if used_mb is None else {}))
    checked.check(used_mb)
    assert checked.shown() == {}


async def test_a_tenant_without_a_process_is_left_alone(checked: Checked) -> None:
    checked.limit(memory_mb=64)
    assert checked.process is not None
    checked.process.pid = None  # type: ignore[assignment]
    checked.check(100)
    checked.tenant.put_in_force(TenantFile("acme", checked.tenant.file.path))
    checked.process.pid = PID
    checked.check(100)
    assert checked.shown() == {}


# --- restarts -------------------------------------------------------------------------------------------------


async def test_an_encoder_past_its_limit_is_restarted_once_if_that_does_not_help(checked: Checked) -> None:
    checked.limit(memory_mb=64, on_memory_limit="restart")
    checked.check(100)
    assert await checked.restarts()
    checked.now += RESTART_PAUSE_S + 1
    checked.check(100)
    assert "a restart 301 s ago did not help: raise the limit" in checked.shown()["memory_mb"]
    assert not await checked.restarts()


async def test_an_encoder_that_was_within_its_limit_is_restarted_again_after_a_pause(checked: Checked) -> None:
    checked.limit(memory_mb=64, on_memory_limit="restart")
    checked.check(100)
    assert await checked.restarts()
    checked.check(10)
    checked.now += RESTART_PAUSE_S
    checked.check(100)
    assert not await checked.restarts()
    checked.now += 1
    checked.check(100)
    assert await checked.restarts()


async def test_a_tenant_that_has_gone_is_forgotten(checked: Checked) -> None:
    checked.limit(memory_mb=64, on_memory_limit="restart")
    checked.check(100)
    assert await checked.restarts()
    checked.checks.keep(["acme"])
    checked.check(100)
    assert not await checked.restarts()
    checked.checks.keep([])
    checked.check(100)
    assert await checked.restarts()


# --- the GPU --------------------------------------------------------------------------------------------------


def device(*users: GpuUser, **more: Any) -> Device:
    return Device(0, "GPU-1", users=users, **more)


async def test_its_memory_on_the_gpu_is_shown_and_limited(checked: Checked) -> None:
    checked.limit(gpu_memory_mb=64)
    checked.tenant.facts.show_placement(GPU)
    checked.check(10, Device(1, "GPU-2"), device(GpuUser(PID, 40.0), GpuUser(PID, 30.0), GpuUser(OURS, 9.0)))
    assert checked.tenant.facts.gpu_memory_mb == 70
    assert checked.shown() == {"gpu_memory_mb": "GPU memory: 70 MB, over the limit of 64 MB (limits.gpu_memory_mb)"}
    checked.check(10, device(GpuUser(PID, None)))
    assert checked.tenant.facts.gpu_memory_mb is None
    assert checked.shown() == {}
    checked.check(10, device())
    assert checked.tenant.facts.gpu_memory_mb == 0


@pytest.mark.parametrize(
    ("devices", "trouble", "words"),
    [
        ([device()], "the driver is not loaded", "GPU: the driver is not loaded"),
        ([Device(1, "GPU-2")], None, "GPU: it has gone from this host"),
        ([device(problem="it is lost")], None, "GPU: it is lost"),
    ],
)
async def test_trouble_of_its_gpu_is_told_while_it_lasts(
    checked: Checked, devices: list[Device], trouble: str | None, words: str
) -> None:
    checked.tenant.facts.show_placement(GPU)
    checked.check(10, *devices, trouble=trouble)
    assert checked.shown() == {"gpu": words}
    assert checked.told() == ["gpu"]
    assert checked.tenant.facts.gpu_memory_mb is None
    checked.check(10, device())
    assert checked.shown() == {}


async def test_a_stranger_on_its_gpu_is_named(checked: Checked) -> None:
    checked.tenant.facts.show_placement(GPU)
    checked.check(10, device(GpuUser(PID, 40.0), GpuUser(os.getpid(), 30.0), GpuUser(OURS, 9.0)))
    ((key, words),) = checked.shown().items()
    assert key == WarningKey.GPU_FOREIGN
    assert words.startswith(f"GPU: process {os.getpid()} (")
    assert words.endswith(" uses 30 MB of it")
