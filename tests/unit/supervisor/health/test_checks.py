"""The scheduler outlives whatever a check does; the checks themselves are in integration/supervisor/test_health.py."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.core.config.tenant_config import TenantConfig
from daemon.core.config.tenant_file import TenantFile
from daemon.core.paths import Paths
from daemon.supervisor.gpu.gpus import Gpus
from daemon.supervisor.health import checks as health_module
from daemon.supervisor.health.checks import Health
from daemon.supervisor.records.events import EventLog
from daemon.supervisor.records.state_db import StateDb
from daemon.supervisor.states import State
from daemon.supervisor.tenants.services import TenantServices
from daemon.supervisor.tenants.shown.warnings import WarningKey
from daemon.supervisor.tenants.tenant import Tenant


@pytest.fixture
def events(tmp_path: Path) -> Iterator[EventLog]:
    db = StateDb(tmp_path / "state.db")
    yield EventLog(db)
    db.close()


class _Process:
    """The part of an EncoderProcess that a check looks at."""

    pid = None
    ready_at = 0.0

    class progress:  # noqa: N801
        @staticmethod
        def read() -> Any:
            raise RuntimeError("a bug in the check")


def tenant(name: str, tmp_path: Path, events: EventLog) -> Tenant:
    config = TenantConfig.model_validate({"encoder": {"backend": "fake"}})
    paths = Paths.under(tmp_path).tenant(name)
    services: Any = TenantServices(db=StateDb(tmp_path / f"{name}.db"), events=events, launch=None, release=None)  # type: ignore[arg-type]
    made = Tenant(TenantFile(name, tmp_path / f"{name}.yaml", config), paths, services)
    made.state, made.encoder.process = State.READY, _Process()  # type: ignore[assignment]
    return made


async def test_a_bug_in_a_check_is_told_and_ends_nothing(
    tmp_path: Path, events: EventLog, monkeypatch: pytest.MonkeyPatch
):
    tenants = {name: tenant(name, tmp_path, events) for name in ("acme", "globex")}
    health = Health(tenants.values, events, Gpus(tmp_path / "gpu", dict), dict, every_s=0.1)
    rounds = asyncio.Semaphore(0)
    monkeypatch.setattr(health_module.log, "exception", lambda *_, **__: rounds.release())
    health.start()
    async with asyncio.timeout(10):
        for _ in range(6):  # three rounds of two
            await rounds.acquire()
    health.close()
    for each in tenants.values():
        assert (
            each.warnings.get(WarningKey.HEALTH)
            == "the health check itself failed (RuntimeError); see the daemon's log"
        )


async def test_a_thousand_resting_tenants_cost_a_round_nothing(tmp_path: Path, events: EventLog):
    one = tenant("acme", tmp_path, events)
    one.state = State.PARKED
    many = [one] * 1000
    health = Health(lambda: many, events, Gpus(tmp_path / "gpu", dict), dict, every_s=30)
    with pytest.raises(StopIteration):  # done in one step: it waited for nothing, not even for its turn
        health.look().send(None)
    assert one.warnings.shown() == {}, "no check looked at its process, which would have failed"
