"""A real tenant with scripted encoder processes, for tests without a process and without a model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from daemon.core.config.tenant_config import TenantConfig
from daemon.core.config.tenant_file import TenantFile
from daemon.core.encoder_protocol.control import Ready, Refused, Warming
from daemon.core.errors import StartRefused
from daemon.core.paths import Paths
from daemon.supervisor.process.ended import Ended
from daemon.supervisor.records.events import EventLog
from daemon.supervisor.records.state_db import StateDb
from daemon.supervisor.tenants.services import TenantServices
from daemon.supervisor.tenants.starts.start_slots import StartSlots
from daemon.supervisor.tenants.tenant import Tenant

READY = Ready(entries=1, revision=1, fingerprint="f", dimension=2, device="cpu", query_ms=1.0)
KILLED, EXITED, SELF_REFUSED = Ended(None, "SIGKILL"), Ended(1, None), Ended(78, None)


class ScriptedProcess:
    """An encoder that does what the test says. `stubborn`: SIGKILL ends it only when it is stubborn no longer."""

    def __init__(self, launch: Any, on_message: Callable[..., None], on_end: Callable[..., None]) -> None:
        self.pid = 4711
        self.ready_at: float | None = None
        self.hung_because: str | None = None
        self.refusal: Refused | None = None
        self.start_problem: str | None = None
        self.ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self.stubborn = False
        self.killed = False
        self.said_ready = False
        self._on_message, self._on_end = on_message, on_end

    @property
    def alive(self) -> bool:
        return not self.ended.done()

    @property
    def hung(self) -> bool:
        return self.hung_because is not None

    def mark_hung(self, call_started: float, because: str) -> None:
        self.hung_because = because

    def say(self, message: Any) -> None:
        self.refusal = message if isinstance(message, Refused) else None
        self.said_ready = isinstance(message, Ready)
        self._on_message(self, message)

    def end(self, how: Ended) -> None:
        if self.alive:
            self.ended.set_result(how)
            self._on_end(self, how)

    def kill(self) -> None:
        self.killed = True
        if not self.stubborn:
            asyncio.get_running_loop().call_soon(self.end, KILLED)

    async def stop(self, grace_s: float, kill_wait_s: float = 0.0) -> bool:
        await asyncio.sleep(0)
        self.killed = True
        if not self.stubborn:
            self.end(Ended(0, None))
        return not self.alive


class World:
    """One tenant and its scripted processes, on a loop that runs only while `settle` runs."""

    def __init__(self, folder: Path, **sections: Any) -> None:
        """Make it in this folder; `sections` are those of the tenant's file."""
        self.processes: list[ScriptedProcess] = []
        self.gpu_is_free = asyncio.Event()
        self.gpu_is_free.set()
        self.launch_refuses = False
        config = TenantConfig.model_validate({"encoder": {"backend": "fake"}, **sections})
        db = StateDb(folder / "state.db")
        self.events = EventLog(db)
        services = TenantServices(
            db,
            self.events,
            self._launch,
            lambda _: None,
            slots=StartSlots(1),
            spawn=self._spawn,  # type: ignore[arg-type]
        )
        self.tenant = Tenant(
            TenantFile("acme", folder / "acme.yaml", config), Paths.under(folder).tenant("acme"), services
        )
        self.db = db
        self._loop = asyncio.create_task(self.tenant.run())

    async def _launch(self, _: str) -> Any:
        await self.gpu_is_free.wait()
        if self.launch_refuses:
            raise StartRefused("cannot start: no GPU is free")
        return None

    def _spawn(self, *given: Any) -> ScriptedProcess:
        self.processes.append(ScriptedProcess(*given))
        return self.processes[-1]

    @property
    def process(self) -> ScriptedProcess | None:
        return self.processes[-1] if self.processes and self.processes[-1].alive else None

    async def become_ready(self) -> ScriptedProcess:
        """Let the encoder that starts become ready."""
        await self.settle()
        process = self.process
        assert process is not None
        process.say(Warming(step="x"))
        process.say(READY)
        await self.settle()
        return process

    async def settle(self) -> None:
        """Let everything run that can run without the time going on."""
        for _ in range(60):
            await asyncio.sleep(0)

    async def close(self) -> None:
        self._loop.cancel()
        self.gpu_is_free.set()
        await asyncio.wait([self._loop])
        for process in self.processes:
            process.stubborn = False
        await self.tenant.close()
        self.db.close()
