"""The tenants by name: who begins parked, what leaves with a tenant, and whose GPU a file may name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from daemon.core.config.tenant_config import TenantConfig
from daemon.core.config.tenant_file import TenantFile
from daemon.core.errors import InvalidConfig, UnknownTenant
from daemon.core.paths import Paths
from daemon.supervisor.records.events import EventLog
from daemon.supervisor.records.state_db import StateDb
from daemon.supervisor.states import State
from daemon.supervisor.tenants.registry import Registry
from daemon.supervisor.tenants.services import TenantServices
from daemon.supervisor.tenants.tenant import Tenant


def file(name: str, error: InvalidConfig | None = None, **sections: Any) -> TenantFile:
    config = None if error else TenantConfig.model_validate({"encoder": {"backend": "fake"}, **sections})
    return TenantFile(name, Path(f"{name}.yaml"), config, error)


class Kept:
    """A registry, and the order in which things leave it."""

    def __init__(self, folder: Path) -> None:
        self.db = StateDb(folder / "state.db")
        self.events = EventLog(self.db)
        self.left: list[str] = []
        services = TenantServices(self.db, self.events, self._launch, lambda name: self.left.append(f"release {name}"))
        self.tenants = Registry(
            Paths.under(folder), services, self._leaving, lambda name: self.left.append(f"gone {name}")
        )

    async def _launch(self, _: str) -> Any:
        await asyncio.Event().wait()

    async def _leaving(self, tenant: Tenant) -> None:
        self.left.append(f"leaving {tenant.name}")


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    made = Kept(tmp_path)
    yield made
    await made.tenants.close()
    made.db.close()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_it_is_a_mapping_and_says_who_is_unknown(kept: Kept) -> None:
    acme = kept.tenants.add(file("acme"))
    assert (list(kept.tenants), len(kept.tenants), kept.tenants["acme"]) == (["acme"], 1, acme)
    assert kept.tenants.named("acme") is acme
    assert kept.tenants.get("globex") is None
    with pytest.raises(UnknownTenant):
        kept.tenants.named("globex")
    assert (kept.tenants.live(), kept.tenants.encoder_pids()) == ([], {})


async def test_what_was_parked_and_what_nobody_asked_for_begins_parked(kept: Kept) -> None:
    kept.db.set_parked("parked", True)
    kept.db.set_parked("was-up", False)
    may_park = {"limits": {"park_after_s": 60}}
    kept.tenants.open(
        {
            "parked": file("parked"),
            "new": file("new", **may_park),
            "was-up": file("was-up", **may_park),
            "plain": file("plain"),
        }
    )
    await settle()
    states = {name: (tenant.state, tenant.reason) for name, tenant in kept.tenants.items()}
    assert states == {
        "parked": (State.PARKED, "parked when the daemon was last up"),
        "new": (State.PARKED, "not asked for yet (limits.park_after_s)"),
        "was-up": (State.STARTING, None),
        "plain": (State.STARTING, None),
    }


async def test_a_bad_file_concerns_one_tenant(kept: Kept) -> None:
    kept.tenants.open({"bad": file("bad", InvalidConfig("cannot read it")), "good": file("good")})
    await settle()
    assert (kept.tenants["bad"].state, kept.tenants["bad"].reason) == (State.FAILED, "cannot read it")
    assert kept.tenants["good"].state is State.STARTING
    refused = [event.tenant for event in kept.events.page(0, 100, None).events if event.name == "config-refused"]
    assert refused == ["bad"]


async def test_jobs_end_before_a_dropped_tenant_and_its_name_goes_last(kept: Kept) -> None:
    acme = kept.tenants.add(file("acme"))
    await settle()
    await kept.tenants.drop(acme)
    assert kept.left == ["leaving acme", "release acme", "gone acme"]
    assert list(kept.tenants) == []


async def test_a_gpu_stays_with_the_tenant_that_has_it(kept: Kept) -> None:
    on_gpu = {"encoder": {"backend": "sentence-transformers", "model": "m", "revision": "0" * 40, "device": "cuda:0"}}
    kept.db.set_gpu("globex", "cuda:0")
    settled = kept.tenants.settled({"acme": file("acme", **on_gpu), "globex": file("globex", **on_gpu)})
    assert [name for name, each in settled.items() if each.error is None] == ["globex"], "by the last daemon's word"
    kept.tenants.add(file("acme", **on_gpu))
    settled = kept.tenants.settled({"acme": file("acme", **on_gpu), "initech": file("initech", **on_gpu)})
    assert [name for name, each in settled.items() if each.error is None] == ["acme"]
    assert [each.name for each in kept.tenants.files_beside("initech")] == ["acme"]
