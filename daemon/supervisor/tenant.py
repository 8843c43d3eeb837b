"""One tenant under supervision: its run loop, the only writer of its state.

Whatever happens — a command, a message from the encoder, the end of its process, a timer — is put into the
inbox; the loop takes one happening after the other, asks `states.step` what follows, and carries it out.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from daemon.client.connection import Pool
from daemon.core import logs
from daemon.core.control import SELF_REFUSED_EXIT, Changed, FromEncoder, Ready, Refused, Warming
from daemon.core.errors import (
    QueueFull,
    StartRefused,
    TenantFailed,
    TenantStarting,
    TenantStopped,
    VecwardError,
)
from daemon.core.paths import TenantPaths
from daemon.core.tenant_config import TenantConfig, TenantFile
from daemon.core.wire import Progress
from daemon.supervisor.backoff import AFTER_READY, BEFORE_READY, HEALTHY_S
from daemon.supervisor.events import EventLog, EventName
from daemon.supervisor.gpu import Placement
from daemon.supervisor.process import EncoderProcess, Ended, Launch
from daemon.supervisor.progress import Calls, Deadlines, verdict
from daemon.supervisor.rates import RateWindow
from daemon.supervisor.state_db import StateDb
from daemon.supervisor.states import COMING_UP, Goal, Happening, State, step
from daemon.supervisor.tenant_log import TenantLog

log = logging.getLogger(__name__)

STOP_GRACE_S = 10.0
MAX_WAITING = 1000  # requests that wait for one tenant to become ready


@dataclass(frozen=True)
class Services:
    """What all tenants share. `launch` prepares a start and may take a while (GPU, sandbox)."""

    db: StateDb
    events: EventLog
    launch: Callable[[Tenant], Awaitable[Launch]]
    release: Callable[[Tenant], None]


@dataclass
class Told:
    """What the running encoder last said of itself; empty while none runs."""

    entries: int | None = None
    revision: int | None = None
    fingerprint: str | None = None
    dimension: int | None = None
    device: str | None = None
    query_ms: float | None = None
    progress: Progress | None = None
    extra: dict[str, Any] = field(default_factory=dict)


class Tenant:
    def __init__(self, file: TenantFile, paths: TenantPaths, services: Services) -> None:
        self.name = file.name
        self.file = file
        self.paths = paths
        self.state = State.STOPPED
        self.goal = services.db.goal(file.name)
        self.reason: str | None = None
        self.restarts = 0
        self.told = Told()
        self.process: EncoderProcess | None = None
        self.log = TenantLog(paths.encoder_log)
        self.pool = Pool(paths.socket)
        self.calls = Calls.none()
        self.used_at = time.monotonic()
        self.warnings: dict[str, str] = {}
        self.isolation = ""
        self.placement: Placement | None = None  # where its encoder runs, as of the last start
        self.gpu_memory_mb: float | None = None  # as the last health check found it
        self.rates = RateWindow()
        self._services = services
        self._inbox: asyncio.Queue[tuple[Happening, str | None]] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._crashes = 0
        self._timers: list[asyncio.TimerHandle] = []
        self._waiting = 0
        self._taking = False
        self._stop_for = Happening.ENDED_FOR_STOP
        self._ladder: asyncio.Task[None] | None = None

    # --- what others ask -----------------------------------------------------------------------------

    @property
    def config(self) -> TenantConfig | None:
        return self.file.config

    def tell(self, happening: Happening, reason: str | None = None) -> None:
        """Puts a happening into the inbox."""
        self._inbox.put_nowait((happening, reason))

    def want(self, goal: Goal) -> None:
        """Sets and keeps the goal, and sets off for it."""
        self.goal = goal
        self._services.db.set_goal(self.name, goal)
        self.tell(Happening.START if goal is Goal.UP else Happening.STOP)

    async def until_taken(self) -> None:
        """Waits until the run loop has taken everything told so far."""
        while not self._inbox.empty() or self._taking:
            await self._changed.wait()

    async def next_change(self) -> None:
        """Waits until the state, or the progress of a start, changes."""
        await self._changed.wait()

    async def until(self, reached: Callable[[Tenant], bool]) -> None:
        """Waits for a state change that makes `reached` true."""
        while not reached(self):
            await self._changed.wait()

    async def wait_ready(self, deadline: float, doing: str) -> EncoderProcess:
        """The ready encoder, as soon as there is one; wakes a parked tenant.

        Args:
            deadline: monotonic seconds; a parked tenant may take `wake_wait_s` from now instead.
            doing: for the message, such as "search".

        Raises:
            TenantStopped, TenantFailed, TenantStarting (the deadline passed), QueueFull.
        """
        self.used_at = time.monotonic()
        if self.state is State.READY and self.process is not None:
            return self.process
        if self.state is State.PARKED or self._is_parking():
            assert self.config is not None
            deadline = max(deadline, self.used_at + self.config.search.wake_wait_s)
        return await self._wait_ready(deadline, doing)

    def _is_parking(self) -> bool:
        return self.state is State.STOPPING and self._stop_for is Happening.ENDED_FOR_PARK

    async def _wait_ready(self, deadline: float, doing: str) -> EncoderProcess:
        if self._waiting >= MAX_WAITING:
            raise QueueFull(
                f"cannot {doing}: {MAX_WAITING} requests wait for tenant {self.name} already; try again later"
            )
        self._waiting += 1
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                while self.state is not State.READY or self.process is None:
                    self._refuse_if_down(doing)
                    if self.state is State.PARKED:
                        self.tell(Happening.START)
                    await self._changed.wait()
                return self.process
        except TimeoutError:
            why = f" ({self.reason})" if self.reason else ""
            raise TenantStarting(
                f"cannot {doing}: tenant {self.name} is {self.state}{why}; please try again shortly",
                tenant=self.name, state=self.state.value,
            ) from None  # fmt: skip
        finally:
            self._waiting -= 1

    def _refuse_if_down(self, doing: str) -> None:
        if self.state is State.FAILED:
            raise TenantFailed(
                f"cannot {doing}: tenant {self.name} has failed: {self.reason}",
                tenant=self.name, state=self.state.value, reason=self.reason,
            )  # fmt: skip
        if self.goal is Goal.DOWN:
            raise TenantStopped(
                f"cannot {doing}: tenant {self.name} is stopped; an admin can start it (vecward start {self.name})",
                tenant=self.name, state=self.state.value,
            )  # fmt: skip

    def look_for_hang(self) -> None:
        """Kills an encoder that makes no progress; called by the hang watch."""
        process = self.process
        if process is None or process.hung or self.config is None:
            return
        reading = process.progress.read()
        self.calls.saw(reading.counter)
        search = self.config.search
        now = time.monotonic()
        why = verdict(reading, self.calls, Deadlines(search.deadline_s, search.chunk_deadline_s), now)
        if why is not None:
            self._kill_hung(process, reading.started_ns / 1e9 or now, why)

    def _kill_hung(self, process: EncoderProcess, call_started: float, why: str) -> None:
        process.hung_call_started = call_started
        self.reason = f"hung: {why}"
        self._services.events.emit(EventName.TENANT_HUNG, self.name, reason=why, pid=process.pid)
        log.warning("tenant-hung", extra={"tenant": self.name, "reason": why, "pid": process.pid})
        process.kill()
        self._drop_connections()

    # --- the run loop --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled. A bug here is told in `reason` and leaves the other tenants alone."""
        logs.tenant.set(self.name)
        if self.file.error is not None:
            self.tell(Happening.REFUSED, self.file.error.message)
        elif self.goal is Goal.UP:
            self.tell(Happening.START)
        while True:
            happening, reason = await self._inbox.get()
            self._taking = True
            try:
                await self._take(happening, reason)
            except Exception as error:  # the one broad guard: a bug in this loop must not end the others
                log.exception("tenant-run-loop")
                self._enter(State.FAILED, f"internal error: {type(error).__name__}; see the daemon's log")
            finally:
                self._taking = False
                self._announce()

    async def _take(self, happening: Happening, reason: str | None) -> None:
        following = step(self.state, happening)
        if following is None:
            return
        if happening is Happening.CRASHED:
            self._crashes += 1
        self._set_off(happening)
        self._enter(following, reason)
        if following is State.STARTING:
            await self._start()

    def _set_off(self, happening: Happening) -> None:
        """What leaves with the old state."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        ends = {
            Happening.STOP: Happening.ENDED_FOR_STOP,
            Happening.PARK: Happening.ENDED_FOR_PARK,
            Happening.RESTART: Happening.ENDED_FOR_RESTART,
        }
        if self.state is State.STOPPING:
            ends[Happening.START] = Happening.ENDED_FOR_RESTART
        if happening in ends:
            self._stop_for = ends[happening]

    def _enter(self, state: State, reason: str | None) -> None:
        before, self.state, self.reason = self.state, state, reason
        if state is State.BACKOFF:
            self._wait_in_backoff()
        elif state is State.STOPPING and before is not State.STOPPING:
            self._ladder = asyncio.create_task(self._stop_process(), name=f"stop {self.name}")
        elif state is State.READY:
            self._timer(HEALTHY_S, self._forget_crashes)
        elif state is State.FAILED and self.process is not None:
            self.process.kill()
        if state in (State.STOPPED, State.FAILED, State.PARKED, State.BACKOFF):
            self._drop_connections()
        if state in (State.STOPPED, State.FAILED):
            self._services.release(self)
        if state is not before:
            self._services.events.emit(EventName.TENANT_STATE, self.name, state=state, before=before, reason=reason)
            log.info("tenant-state", extra={"state": state.value, "before": before.value, "reason": reason})
        self._announce()

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _timer(self, seconds: float, then: Callable[[], None]) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, then))

    def _forget_crashes(self) -> None:
        self._crashes = 0

    def _drop_connections(self) -> None:
        """Whoever waits for an answer from a dead encoder learns it now."""
        self.pool.drop()

    # --- start ---------------------------------------------------------------------------------------

    async def _start(self) -> None:
        if self.file.error is not None:
            self.tell(Happening.REFUSED, self.file.error.message)
            return
        try:
            await self._predecessor_gone()
            launch = await self._services.launch(self)
            self.process = EncoderProcess(launch, self._on_message, self._on_end)
        except VecwardError as error:
            self.tell(Happening.REFUSED, error.message)
        except OSError as error:
            self.tell(Happening.REFUSED, f"cannot start the encoder: {error}; see the daemon's log")
            log.exception("encoder-spawn-failed")
        else:
            self.told = Told()
            self.calls = Calls.none()
            assert self.config is not None
            self._timer(self.config.limits.start_s, self._start_takes_too_long)

    async def _predecessor_gone(self) -> None:
        process = self.process
        if process is not None and not await process.stop(STOP_GRACE_S):
            raise StartRefused(f"cannot start: the previous encoder, pid {process.pid}, does not end even by SIGKILL")

    def _start_takes_too_long(self) -> None:
        if self.process is not None and self.state in (State.STARTING, State.WARMING):
            assert self.config is not None
            limit = self.config.limits.start_s
            why = f"not ready after {limit:g} s (limits.start_s)"
            self._services.events.emit(EventName.TENANT_HUNG, self.name, reason=why, pid=self.process.pid)
            self.process.start_problem = why
            self.process.kill()

    def _on_message(self, process: EncoderProcess, message: FromEncoder) -> None:
        if process is not self.process:
            return
        if isinstance(message, Warming):
            self._on_warming(message)
        elif isinstance(message, Ready):
            process.ready_at = time.monotonic()
            self.told = Told(
                message.entries,
                message.revision,
                message.fingerprint,
                message.dimension,
                message.device,
                message.query_ms,
            )
            self.tell(Happening.BECAME_READY)
        elif isinstance(message, Changed):
            self.told.entries, self.told.revision = message.entries, message.revision
        elif isinstance(message, Refused):
            self._services.events.emit(EventName.TENANT_REFUSED, self.name, kind=message.kind, reason=message.reason)
            self.tell(Happening.REFUSED, message.reason)

    def _on_warming(self, message: Warming) -> None:
        self.told.progress = Progress(done=message.done, total=message.total, unit=message.step)
        self._announce()
        if self.state is State.STARTING:
            self.tell(Happening.SAID_HELLO)
        elif self.state is State.WARMING:
            self._move_start_timer()

    def _move_start_timer(self) -> None:
        """Progress (re-embedding a large base) extends the time a start may take."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        assert self.config is not None
        self._timer(self.config.limits.start_s, self._start_takes_too_long)

    # --- end -----------------------------------------------------------------------------------------

    def _on_end(self, process: EncoderProcess, ended: Ended) -> None:
        if process is not self.process:
            return
        self.process = None
        self.told = Told(entries=self.told.entries, revision=self.told.revision)
        self._drop_connections()
        if self.state is State.STOPPING:
            self.tell(self._stop_for)
        elif process.refusal is not None or ended.exit_code == SELF_REFUSED_EXIT:
            refusal = process.refusal
            self.tell(Happening.REFUSED, refusal.reason if refusal else "the encoder refused to start; see its log")
        else:
            self._on_crash(process, ended)

    def _on_crash(self, process: EncoderProcess, ended: Ended) -> None:
        self.restarts += 1
        cause = (self.reason or "hung") if process.hung else process.start_problem or f"the encoder {ended.words}"
        last = self.log.recent(3)
        self._services.events.emit(
            EventName.TENANT_CRASHED, self.name, reason=cause, exit_code=ended.exit_code, signal=ended.signal_name,
            pid=process.pid, last_lines=last,
        )  # fmt: skip
        self.crashed_after_ready = process.ready_at is not None
        if process.ready_at is not None and time.monotonic() - process.ready_at > HEALTHY_S:
            self._crashes = 0
        self.tell(Happening.CRASHED, cause)

    crashed_after_ready = False

    def _wait_in_backoff(self) -> None:
        ladder = AFTER_READY if self.crashed_after_ready else BEFORE_READY
        self._timer(ladder.delay(self._crashes), lambda: self.tell(Happening.BACKOFF_OVER, self.reason))

    async def _stop_process(self) -> None:
        process = self.process
        if process is None:
            self.tell(self._stop_for)
            return
        if not await process.stop(STOP_GRACE_S):
            held = f"; the GPU does not release pid {process.pid}" if self.told.device not in (None, "cpu") else ""
            self.tell(Happening.WONT_DIE, f"cannot end the encoder, pid {process.pid}, even by SIGKILL{held}")

    async def close(self) -> None:
        """The daemon's end: stops the encoder, keeps the goal."""
        if self.process is not None and not await self.process.stop(STOP_GRACE_S):
            log.error("encoder-wont-die", extra={"tenant": self.name, "pid": self.process.pid})
        await self.pool.close()
        self.log.close()

    @property
    def coming_up(self) -> bool:
        return self.state in COMING_UP
