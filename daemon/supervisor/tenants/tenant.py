"""One tenant under supervision: its run loop, the only writer of its state.

Whatever happens — a command, a message from the encoder, the end of its process, a timer — is put into the
inbox; the loop takes one happening after the other, asks `states.step` what follows, and carries it out.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from daemon.core import logs
from daemon.core.config.tenant_config import TenantConfig
from daemon.core.config.tenant_file import TenantFile
from daemon.core.encoder_protocol.control import SELF_REFUSED_EXIT, Changed, FromEncoder, Ready, Refused, Warming
from daemon.core.http.pool import Pool
from daemon.core.paths import TenantPaths
from daemon.core.wire import Crash, Progress
from daemon.supervisor.gpu.placement import Placement
from daemon.supervisor.logs.tenant_log import TenantLog
from daemon.supervisor.process.encoder_process import EncoderProcess, Ended, Launch
from daemon.supervisor.process.hang import Calls, Deadlines, verdict
from daemon.supervisor.records.events import EventName
from daemon.supervisor.states import COMING_UP, ENDINGS, Goal, State, Trigger, step
from daemon.supervisor.tenants.backoff import HEALTHY_S, Crashes
from daemon.supervisor.tenants.report import Told
from daemon.supervisor.tenants.request_rates import RateWindow
from daemon.supervisor.tenants.services import Services
from daemon.supervisor.tenants.start import STOP_GRACE_S, Starting
from daemon.supervisor.tenants.wait_ready import Waiting

log = logging.getLogger(__name__)

KILL_WAIT_S = 20.0  # a process that is still there so long after SIGKILL won't end


class Tenant:
    def __init__(self, file: TenantFile, paths: TenantPaths, services: Services, rests: str | None = None) -> None:
        """`rests`: why it begins parked, though it is to be up."""
        self.name = file.name
        self.file = file
        self.paths = paths
        self.state = State.STOPPED
        self.goal = services.db.goal(file.name)
        self.reason: str | None = None
        self.restarts = 0
        self.deadline_kills = 0
        self.crash: Crash | None = None  # the last one, until an encoder is healthy
        self.told = Told()
        self.process: EncoderProcess | None = None
        self.log = TenantLog(paths.encoder_log)
        self.pool = Pool(paths.socket)
        self.calls = Calls.none()
        self.used_at = time.monotonic()
        self.daemons_own = 0  # requests of the daemon itself that run now: health, metering
        self.warnings: dict[str, str] = {}
        self.isolation = ""
        self.placement: Placement | None = None  # where its encoder runs, as of the last start
        self.gpu_memory_mb: float | None = None  # as the last health check found it
        self.rates = RateWindow()
        self.waiting = Waiting()
        self.parked = services.db.parked(file.name)  # when it was last up; None: it never was
        self._services = services
        self._rests = rests
        self._inbox: asyncio.Queue[tuple[Trigger, str | None, EncoderProcess | None]] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._crashes = Crashes()
        self._timers: list[asyncio.TimerHandle] = []
        self._taking = False
        self._stop_for = Trigger.ENDED_FOR_STOP
        self._started: EncoderProcess | None = None  # what the present start made; what another says is not heard
        self._starting = Starting(self, services, self._spawn)
        self._ladder: asyncio.Task[None] | None = None
        self._closing = False

    # --- what others ask -----------------------------------------------------------------------------

    @property
    def config(self) -> TenantConfig | None:
        return self.file.config

    @property
    def coming_up(self) -> bool:
        return self.state in COMING_UP

    @property
    def serving(self) -> EncoderProcess | None:
        """The encoder that may be asked now."""
        process = self.process
        return process if self.state is State.READY and process is not None and not process.hung else None

    def tell(self, happening: Trigger, reason: str | None = None, source: EncoderProcess | None = None) -> None:
        """Puts a happening into the inbox; `source` is the process that it happened to."""
        self._inbox.put_nowait((happening, reason, source))

    def want(self, goal: Goal, happening: Trigger | None = None) -> None:
        """Sets and keeps the goal, and sets off for it."""
        self.goal = goal
        self._services.db.set_goal(self.name, goal)
        self.tell(happening or (Trigger.START if goal is Goal.UP else Trigger.STOP))

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
        process = self.serving
        if process is not None:
            return process
        if self.state is State.PARKED or self._is_parking():
            assert self.config is not None
            deadline = max(deadline, self.used_at + self.config.search.wake_wait_s)
        return await self.waiting.ready(self, deadline, doing)

    def _is_parking(self) -> bool:
        return self.state is State.STOPPING and self._stop_for is Trigger.ENDED_FOR_PARK

    def show_progress(self, progress: Progress) -> None:
        """Of a start."""
        self.told.progress = progress
        self._announce()

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
            self._kill_hung(process, reading.started_ns / 1e9, why)

    def _kill_hung(self, process: EncoderProcess, call_started: float, why: str) -> None:
        """`call_started`: monotonic seconds, 0 where it was in no call."""
        process.hung_call_started = call_started
        self.deadline_kills += 1
        self.reason = f"hung: {why}"
        self._services.events.emit(EventName.TENANT_HUNG, self.name, reason=why, pid=process.pid)
        log.warning("tenant-hung", extra={"tenant": self.name, "reason": why, "pid": process.pid})
        self._kill(process)
        self._drop_connections()

    # --- the run loop --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled. A bug here is told in `reason` and leaves the other tenants alone."""
        logs.tenant.set(self.name)
        if self.file.error is not None:
            self.tell(Trigger.REFUSED, self.file.error.message)
        elif self.goal is Goal.UP:
            self.tell(Trigger.PARK if self._rests else Trigger.START, self._rests)
        while True:
            happening, reason, source = await self._inbox.get()
            self._taking = True
            try:
                self._take(happening, reason, source)
            except Exception as error:  # the one broad guard: a bug in this loop must not end the others
                log.exception("tenant-run-loop")
                self._enter(State.FAILED, f"internal error: {type(error).__name__}; see the daemon's log")
            finally:
                self._taking = False
                self._announce()

    def _take(self, happening: Trigger, reason: str | None, source: EncoderProcess | None) -> None:
        if self._is_stale(happening, source):
            return
        if happening in ENDINGS:  # what it ends for may have changed since it was told
            happening = Trigger.ENDED_FOR_STOP if self.goal is Goal.DOWN else self._stop_for
        following = step(self.state, happening)
        if following is None:
            return
        self._set_off(happening)
        self._enter(following, reason)
        if following is State.STARTING:
            self._started = None
            self._starting.begin()

    def _is_stale(self, happening: Trigger, source: EncoderProcess | None) -> bool:
        """It came too late: from a process of an earlier start, or upwards after somebody asked for a stop."""
        if source is not None and source is not self._started:
            return True
        return self.goal is Goal.DOWN and happening in (Trigger.START, Trigger.RESTART, Trigger.PARK)

    def _set_off(self, happening: Trigger) -> None:
        """What leaves with the old state."""
        self._clear_timers()
        ends = {
            Trigger.STOP: Trigger.ENDED_FOR_STOP,
            Trigger.PARK: Trigger.ENDED_FOR_PARK,
            Trigger.RESTART: Trigger.ENDED_FOR_RESTART,
        }
        if self.state is State.STOPPING:
            ends[Trigger.START] = Trigger.ENDED_FOR_RESTART
        if happening in ends:
            self._stop_for = ends[happening]

    def _enter(self, state: State, reason: str | None) -> None:
        before, self.state, self.reason = self.state, state, reason
        self._set_in(state, before)
        if state not in (State.STARTING, State.WARMING):
            self._starting.release_turn()
        if state in (State.STOPPED, State.FAILED, State.PARKED, State.BACKOFF):
            self._drop_connections()
        if state in (State.STOPPED, State.FAILED):
            self._services.release(self)
        if state is not before:
            self._services.events.emit(EventName.TENANT_STATE, self.name, state=state, before=before, reason=reason)
            log.info("tenant-state", extra={"state": state.value, "before": before.value, "reason": reason})
        self._announce()

    def _set_in(self, state: State, before: State) -> None:
        """What comes with the new state."""
        if state is State.BACKOFF:
            delay = self._crashes.delay_after(ready=before is State.READY)
            self._timer(delay, lambda: self.tell(Trigger.BACKOFF_OVER, self.reason))
        elif state is State.STOPPING and before is not State.STOPPING:
            self._ladder = asyncio.create_task(self._stop_process(before), name=f"stop {self.name}")
        elif state is State.WARMING:
            self._move_start_timer()
        elif state is State.READY:
            self._timer(HEALTHY_S, self._is_healthy)
            self._remember_parked(False)
            self._services.db.set_gpu(self.name, self.file.gpu)
        elif state is State.PARKED:
            self._remember_parked(True)
        elif state is State.FAILED:
            self._starting.give_up()
            if self.process is not None:
                self.process.kill()

    def _remember_parked(self, parked: bool) -> None:
        """For the next daemon: what was parked comes back parked."""
        if parked is not self.parked:
            self._services.db.set_parked(self.name, parked)
            self.parked = parked

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _timer(self, seconds: float, then: Callable[[], None]) -> None:
        self._timers.append(asyncio.get_running_loop().call_later(seconds, then))

    def _clear_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _is_healthy(self) -> None:
        self._crashes.forget()
        self.crash = None

    def _drop_connections(self) -> None:
        """Whoever waits for an answer from a dead encoder learns it now."""
        self.pool.drop()

    # --- start ---------------------------------------------------------------------------------------

    def _spawn(self, launch: Launch) -> None:
        self.process = self._started = self._services.spawn(launch, self._on_message, self._on_end)
        self.told = Told()
        self.calls = Calls.none()
        self._move_start_timer()

    def _move_start_timer(self) -> None:
        """Progress (re-embedding a large base) extends the time a start may take."""
        self._clear_timers()
        assert self.config is not None
        self._timer(self.config.limits.start_s, self._start_takes_too_long)

    def _start_takes_too_long(self) -> None:
        process = self.process
        if process is not None and self.state in (State.STARTING, State.WARMING):
            assert self.config is not None
            limit = self.config.limits.start_s
            why = f"not ready after {limit:g} s (limits.start_s)"
            self._services.events.emit(EventName.TENANT_HUNG, self.name, reason=why, pid=process.pid)
            process.start_problem = why
            self._kill(process)

    def _on_message(self, process: EncoderProcess, message: FromEncoder) -> None:
        if process is not self._started:
            return
        if isinstance(message, Warming):
            self._on_warming(process, message)
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
            self.tell(Trigger.BECAME_READY, source=process)
        elif isinstance(message, Changed):
            self.told.entries, self.told.revision = message.entries, message.revision
        elif isinstance(message, Refused):
            self._services.events.emit(EventName.TENANT_REFUSED, self.name, kind=message.kind, reason=message.reason)
            self.tell(Trigger.REFUSED, message.reason, process)

    def _on_warming(self, process: EncoderProcess, message: Warming) -> None:
        self.show_progress(Progress(done=message.done, total=message.total, unit=message.step))
        if self.state is State.STARTING:
            self.tell(Trigger.SAID_HELLO, source=process)
        elif self.state is State.WARMING:
            self._move_start_timer()

    # --- end -----------------------------------------------------------------------------------------

    def _on_end(self, process: EncoderProcess, ended: Ended) -> None:
        if process is not self.process:
            return
        self.process = None
        self.told = Told(entries=self.told.entries, revision=self.told.revision)
        self._drop_connections()
        if process is not self._started or self._closing or self.state in (State.STOPPING, State.FAILED):
            return  # a predecessor's end, or one that is waited for
        if process.refusal is not None or ended.exit_code == SELF_REFUSED_EXIT:
            refusal = process.refusal
            reason = refusal.reason if refusal else "the encoder refused to start; see its log"
            self.tell(Trigger.REFUSED, reason, process)
        else:
            self._on_crash(process, ended)

    def _on_crash(self, process: EncoderProcess, ended: Ended) -> None:
        self.restarts += 1
        cause = (self.reason or "hung") if process.hung else process.start_problem or f"the encoder {ended.words}"
        self.crash = Crash(
            at=datetime.now(UTC), reason=cause, exit_code=ended.exit_code, signal=ended.signal_name,
            last_lines=self.log.recent(),
        )  # fmt: skip
        told = self.crash.model_dump(exclude={"at"})
        self._services.events.emit(EventName.TENANT_CRASHED, self.name, pid=process.pid, **told)
        self.tell(Trigger.CRASHED, cause, process)

    def _kill(self, process: EncoderProcess) -> None:
        process.kill()
        asyncio.get_running_loop().call_later(KILL_WAIT_S, self._check_killed, process)

    def _check_killed(self, process: EncoderProcess) -> None:
        if not process.ended.done():
            self.tell(Trigger.WONT_DIE, self._wont_die(process), process)

    async def _stop_process(self, before: State) -> None:
        """The one that tells how a stop ended."""
        await self._starting.cancel()
        if before is State.READY and self._services.before_stop is not None:
            await self._services.before_stop(self)
        process = self.process
        if process is None or await process.stop(STOP_GRACE_S):
            self.tell(Trigger.ENDED_FOR_STOP)
        else:
            self.tell(Trigger.WONT_DIE, self._wont_die(process))

    def _wont_die(self, process: EncoderProcess) -> str:
        held = f"; the GPU does not release pid {process.pid}" if self.told.device not in (None, "cpu") else ""
        return f"cannot end the encoder, pid {process.pid}, even by SIGKILL{held}"

    async def close(self) -> None:
        """The daemon's end, or the tenant's: stops the encoder, keeps the goal."""
        self._closing = True
        self._clear_timers()
        await self._starting.cancel()
        if self._ladder is not None and not self._ladder.done():
            self._ladder.cancel()
            await asyncio.wait([self._ladder])
        self._starting.release_turn()
        if self.process is not None and not await self.process.stop(STOP_GRACE_S):
            log.error("encoder-wont-die", extra={"tenant": self.name, "pid": self.process.pid})
        await self.pool.close()
        self.log.close()
