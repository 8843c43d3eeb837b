"""One tenant's starts: each in a task of its own, so that a stop need not wait for a turn, a GPU or a sandbox."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING

from daemon.core import logs
from daemon.core.errors import StartRefused, VecwardError
from daemon.core.files import disk
from daemon.core.wire import Progress
from daemon.supervisor.process.encoder_process import Launch
from daemon.supervisor.states import Trigger
from daemon.supervisor.tenants.services import Services
from daemon.supervisor.tenants.start_slots import Turn

if TYPE_CHECKING:
    from daemon.supervisor.tenants.tenant import Tenant

log = logging.getLogger(__name__)

STOP_GRACE_S = 10.0


class Starting:
    def __init__(self, tenant: Tenant, services: Services, spawn: Callable[[Launch], None]) -> None:
        """`spawn` makes the process, when everything that it needs is there."""
        self._tenant = tenant
        self._services = services
        self._spawn = spawn
        self._task: asyncio.Task[None] | None = None
        self._turn: Turn | None = None

    def begin(self) -> None:
        self._task = asyncio.create_task(self._start(), name=f"start {self._tenant.name}")

    def give_up(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def cancel(self) -> None:
        """Returns when nothing of it runs any more; what it spawned lives."""
        self.give_up()
        if self._task is not None and not self._task.done():
            await asyncio.wait([self._task])

    def release_turn(self) -> None:
        if self._turn is not None:
            self._turn.release()
            self._turn = None

    async def _start(self) -> None:
        logs.tenant.set(self._tenant.name)
        refuse = self._refuse
        try:
            await self._prepare()
        except (VecwardError, OSError, sqlite3.Error) as error:
            if disk.is_full(error):  # it passes: tried again
                self._tenant.tell(Trigger.CRASHED, f"cannot start the encoder: a disk is full ({error}); make room")
            elif isinstance(error, VecwardError):
                refuse(error.message)
            else:
                refuse(f"cannot start the encoder: {error}; see the daemon's log")
                log.exception("encoder-spawn-failed")
        except Exception as error:  # as in the run loop: a bug concerns this tenant alone
            refuse(f"internal error: {type(error).__name__}; see the daemon's log")
            log.exception("encoder-start-failed")

    def _refuse(self, reason: str) -> None:
        self._tenant.tell(Trigger.REFUSED, reason)

    async def _prepare(self) -> None:
        if self._tenant.file.error is not None:
            raise self._tenant.file.error
        await self._predecessor_gone()
        await self._take_turn()
        self._spawn(await self._services.launch(self._tenant))

    async def _predecessor_gone(self) -> None:
        process = self._tenant.process
        if process is not None and not await process.stop(STOP_GRACE_S):
            raise StartRefused(f"cannot start: the previous encoder, pid {process.pid}, does not end even by SIGKILL")

    async def _take_turn(self) -> None:
        self.release_turn()
        tenant, turns = self._tenant, self._services.turns
        if not turns.free:
            tenant.show_progress(Progress(done=0, unit="waiting for its turn to start"))
        self._turn = await turns.take(self._urgency)

    def _urgency(self) -> int:
        """First where requests wait, then what was up when it was last seen."""
        if self._tenant.waiting.count:
            return 0
        return 2 if self._tenant.parked is None else 1
