"""The encoder process of one tenant: how it is started, heard, killed and stopped.

What its process says and how it ends arrives here by callbacks, which show it in the tenant's facts and post a trigger
to the run loop; the state itself is the run loop's alone.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import Protocol

from daemon.core.config.tenant_config import TenantConfig
from daemon.core.config.tenant_file import TenantFile
from daemon.core.encoder_protocol.control import SELF_REFUSED_EXIT, Changed, FromEncoder, Ready, Refused, Warming
from daemon.core.errors import StartRefused
from daemon.core.wire import Crash, Progress
from daemon.supervisor.logs.tenant_log import TenantLog
from daemon.supervisor.process.encoder_process import EncoderProcess
from daemon.supervisor.process.ended import Ended
from daemon.supervisor.process.launch import Launch
from daemon.supervisor.records.events import EventName
from daemon.supervisor.states import State, Trigger
from daemon.supervisor.tenants.services import TenantServices
from daemon.supervisor.tenants.shown.facts import Facts
from daemon.supervisor.tenants.shown.report import Report
from daemon.supervisor.tenants.starts.start import Starting, Steps
from daemon.supervisor.tenants.timer import Timer
from daemon.supervisor.tenants.traffic import Traffic

log = logging.getLogger(__name__)

STOP_GRACE_S = 10.0
KILL_WAIT_S = 20.0  # a process that is still there so long after SIGKILL won't end


class RunLoop(Protocol):
    """The part of a tenant's run loop that its encoder needs."""

    name: str
    file: TenantFile
    state: State

    @property
    def config(self) -> TenantConfig | None: ...

    @property
    def urgency(self) -> int: ...

    def post(self, trigger: Trigger, reason: str | None = None, source: EncoderProcess | None = None) -> None: ...

    def explain(self, reason: str) -> None: ...

    def announce(self) -> None: ...


class Encoder:
    """The process of one tenant: at most one at a time, a new one when the one before has ended."""

    def __init__(
        self,
        loop: RunLoop,
        services: TenantServices,
        facts: Facts,
        traffic: Traffic,
        tenant_log: TenantLog,
        timer: Timer,
    ) -> None:
        self.process: EncoderProcess | None = None
        self._loop = loop
        self._services = services
        self._facts = facts
        self._traffic = traffic
        self._log = tenant_log
        self._timer = timer
        self._started: EncoderProcess | None = None  # the process of the present start: no other one is heard
        self._starting = Starting(loop.name, services.slots, self._steps())
        self._stopping: asyncio.Task[None] | None = None
        self._closing = False

    def is_of_the_past(self, process: EncoderProcess) -> bool:
        """Tell whether this process belongs to an earlier start."""
        return process is not self._started

    # --- start ---------------------------------------------------------------------------------------

    def start(self) -> None:
        self._started = None
        self._starting.begin()

    def end_of_start(self) -> None:
        """Give the slot back: the start has succeeded or failed."""
        self._starting.release_slot()

    def extend_start(self) -> None:
        """Give the start another `limits.start_s`: it has made progress (a large base is re-embedded)."""
        assert self._loop.config is not None
        self._timer.set(self._loop.config.limits.start_s, self.start_takes_too_long)

    def _steps(self) -> Steps:
        return Steps(
            check=self._check_file,
            end_predecessor=self._end_predecessor,
            urgency=lambda: self._loop.urgency,
            launch=lambda: self._services.launch(self._loop.name),
            spawn=self._spawn,
            show_progress=self._show_progress,
            post=self._loop.post,
        )

    def _check_file(self) -> None:
        if self._loop.file.error is not None:
            raise self._loop.file.error

    async def _end_predecessor(self) -> None:
        process = self.process
        if process is not None and not await process.stop(STOP_GRACE_S):
            raise StartRefused(f"cannot start: the previous encoder, pid {process.pid}, does not end even by SIGKILL")

    def _spawn(self, launch: Launch) -> None:
        self.process = self._started = self._services.spawn(launch, self._on_message, self._on_end)
        self._facts.report = Report()
        self._traffic.new_encoder()
        self.extend_start()

    def _show_progress(self, progress: Progress) -> None:
        self._facts.report.progress = progress
        self._loop.announce()

    def start_takes_too_long(self) -> None:
        """Kill an encoder that is not ready within `limits.start_s`."""
        process = self.process
        if process is None or self._loop.state not in (State.STARTING, State.WARMING):
            return
        assert self._loop.config is not None
        why = f"not ready after {self._loop.config.limits.start_s:g} s (limits.start_s)"
        self._services.events.emit(EventName.TENANT_HUNG, self._loop.name, reason=why, pid=process.pid)
        process.start_problem = why
        self._kill(process)

    # --- messages ------------------------------------------------------------------------------------

    def _on_message(self, process: EncoderProcess, message: FromEncoder) -> None:
        if process is not self._started:
            return
        if isinstance(message, Warming):
            self._on_warming(process, message)
        elif isinstance(message, Ready):
            process.ready_at = time.monotonic()
            self._facts.report = Report.of(message)
            self._loop.post(Trigger.BECAME_READY, source=process)
        elif isinstance(message, Changed):
            self._facts.report.entries, self._facts.report.revision = message.entries, message.revision
        elif isinstance(message, Refused):
            about = {"kind": message.kind, "reason": message.reason}
            self._services.events.emit(EventName.TENANT_REFUSED, self._loop.name, **about)
            self._loop.post(Trigger.REFUSED, message.reason, process)

    def _on_warming(self, process: EncoderProcess, message: Warming) -> None:
        self._show_progress(Progress(done=message.done, total=message.total, unit=message.step))
        if self._loop.state is State.STARTING:
            self._loop.post(Trigger.SAID_HELLO, source=process)
        elif self._loop.state is State.WARMING:
            self.extend_start()

    # --- an end that nobody asked for ----------------------------------------------------------------

    def _on_end(self, process: EncoderProcess, ended: Ended) -> None:
        if process is not self.process:
            return
        self.process = None
        self._facts.report = self._facts.report.of_the_base()
        self._traffic.drop()
        if process is not self._started or self._closing or self._loop.state in (State.STOPPING, State.FAILED):
            return  # a predecessor's end, or one that is waited for
        if process.refusal is not None or ended.exit_code == SELF_REFUSED_EXIT:
            refusal = process.refusal
            reason = refusal.reason if refusal else "the encoder refused to start; see its log"
            self._loop.post(Trigger.REFUSED, reason, process)
        else:
            self._on_crash(process, ended)

    def _on_crash(self, process: EncoderProcess, ended: Ended) -> None:
        cause = process.hung_because or process.start_problem or f"the encoder {ended.words}"
        crash = Crash(
            at=datetime.now(UTC),
            reason=cause,
            exit_code=ended.exit_code,
            signal=ended.signal_name,
            last_lines=self._log.recent(),
        )
        self._facts.restarts += 1
        self._facts.crash = crash
        about = crash.model_dump(exclude={"at"})
        self._services.events.emit(EventName.TENANT_CRASHED, self._loop.name, pid=process.pid, **about)
        self._loop.post(Trigger.CRASHED, cause, process)

    # --- kill and stop -------------------------------------------------------------------------------

    def kill_hung(self, process: EncoderProcess, call_started: float, why: str) -> None:
        """Kill an encoder that makes no progress.

        Args:
            call_started: monotonic seconds of the call that hangs; 0 where it is in no call.
            why: words of the hang watch.
        """
        reason = f"hung: {why}"
        process.mark_hung(call_started, reason)
        self._facts.deadline_kills += 1
        self._loop.explain(reason)
        self._services.events.emit(EventName.TENANT_HUNG, self._loop.name, reason=why, pid=process.pid)
        log.warning("tenant-hung", extra={"tenant": self._loop.name, "reason": why, "pid": process.pid})
        self._kill(process)
        self._traffic.drop()

    def _kill(self, process: EncoderProcess) -> None:
        process.kill()
        asyncio.get_running_loop().call_later(KILL_WAIT_S, self._check_killed, process)

    def _check_killed(self, process: EncoderProcess) -> None:
        if not process.ended.done():
            self._loop.post(Trigger.WONT_DIE, self._wont_die(process), process)

    def give_up(self) -> None:
        """End the start and the process, without waiting: the tenant has failed."""
        self._starting.give_up()
        if self.process is not None:
            self.process.kill()

    def stop(self, *, was_ready: bool) -> None:
        """Stop the process in a task of its own, which posts how that ended."""
        self._stopping = asyncio.create_task(self._stop(was_ready), name=f"stop {self._loop.name}")

    async def _stop(self, was_ready: bool) -> None:
        await self._starting.cancel()
        if was_ready and self._services.before_stop is not None:
            await self._services.before_stop(self._loop.name)
        process = self.process
        if process is None or await process.stop(STOP_GRACE_S):
            self._loop.post(Trigger.ENDED_FOR_STOP)
        else:
            self._loop.post(Trigger.WONT_DIE, self._wont_die(process))

    def _wont_die(self, process: EncoderProcess) -> str:
        on_gpu = self._facts.report.device not in (None, "cpu")
        held = f"; the GPU does not release pid {process.pid}" if on_gpu else ""
        return f"cannot end the encoder, pid {process.pid}, even by SIGKILL{held}"

    async def close(self) -> None:
        """Stop the process for good: the daemon ends, or the tenant is removed."""
        self._closing = True
        await self._starting.cancel()
        if self._stopping is not None and not self._stopping.done():
            self._stopping.cancel()
            await asyncio.wait([self._stopping])
        self._starting.release_slot()
        if self.process is not None and not await self.process.stop(STOP_GRACE_S):
            log.error("encoder-wont-die", extra={"tenant": self._loop.name, "pid": self.process.pid})
