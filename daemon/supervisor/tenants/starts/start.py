"""The starts of one tenant, each in a task of its own: a stop need not wait for a slot, a GPU or a sandbox."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from daemon.core import logs
from daemon.core.errors import VecwardError
from daemon.core.files import disk
from daemon.core.wire import Progress
from daemon.supervisor.process.launch import Launch
from daemon.supervisor.states import Trigger
from daemon.supervisor.tenants.starts.start_slots import Slot, StartSlots, Urgency

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Steps:
    """The steps of a start in their order; each raises VecwardError or OSError where it fails.

    Attributes:
        check: refuses a tenant whose file is not valid.
        end_predecessor: returns when the encoder of an earlier start has ended.
        urgency: the order in which starts that wait get a slot.
        launch: prepares the GPU, the sandbox and the listener.
        spawn: makes the process.
        show_progress: shows how far the start is.
        post: tells the run loop that the start failed, and why.
    """

    check: Callable[[], None]
    end_predecessor: Callable[[], Awaitable[None]]
    urgency: Urgency
    launch: Callable[[], Awaitable[Launch]]
    spawn: Callable[[Launch], None]
    show_progress: Callable[[Progress], None]
    post: Callable[[Trigger, str], None]


class Starting:
    """Starts of one tenant, one at a time; a start holds its slot until `release_slot`."""

    def __init__(self, tenant: str, slots: StartSlots, steps: Steps) -> None:
        self._tenant = tenant
        self._slots = slots
        self._steps = steps
        self._task: asyncio.Task[None] | None = None
        self._slot: Slot | None = None

    def begin(self) -> None:
        self._task = asyncio.create_task(self._start(), name=f"start {self._tenant}")

    def give_up(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def cancel(self) -> None:
        """Return when nothing of the start runs any more; a process that it has made lives on."""
        self.give_up()
        if self._task is not None and not self._task.done():
            await asyncio.wait([self._task])

    def release_slot(self) -> None:
        if self._slot is not None:
            self._slot.release()
            self._slot = None

    async def _start(self) -> None:
        logs.tenant.set(self._tenant)
        try:
            await self._go_through_steps()
        except (VecwardError, OSError, sqlite3.Error) as error:
            self._on_trouble(error)
        except Exception as error:  # as in the run loop: a bug concerns this tenant alone
            self._refuse(f"internal error: {type(error).__name__}; see the daemon's log")
            log.exception("encoder-start-failed")

    async def _go_through_steps(self) -> None:
        self._steps.check()
        await self._steps.end_predecessor()
        await self._take_slot()
        self._steps.spawn(await self._steps.launch())

    async def _take_slot(self) -> None:
        self.release_slot()
        if not self._slots.free:
            self._steps.show_progress(Progress(done=0, unit="waiting for its turn to start"))
        self._slot = await self._slots.take(self._steps.urgency)

    def _on_trouble(self, error: VecwardError | OSError | sqlite3.Error) -> None:
        """Refuse the start, but for a full disk: that passes, so the start is tried again."""
        if disk.is_full(error):
            self._steps.post(Trigger.CRASHED, f"cannot start the encoder: a disk is full ({error}); make room")
        elif isinstance(error, VecwardError):
            self._refuse(error.message)
        else:
            self._refuse(f"cannot start the encoder: {error}; see the daemon's log")
            log.error("encoder-spawn-failed", exc_info=error)

    def _refuse(self, reason: str) -> None:
        self._steps.post(Trigger.REFUSED, reason)
