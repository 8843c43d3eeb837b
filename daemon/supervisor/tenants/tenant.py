"""One tenant under supervision: its configuration, its encoder, and the run loop that alone changes its state.

A command, a message from the encoder, the end of its process, a timer: each posts a trigger to the inbox. The loop
takes one after the other, asks `states.step` what follows, and carries it out (daemon/README.md, "Tenant states").
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from daemon.core import logs
from daemon.core.config.tenant_config import TenantConfig
from daemon.core.config.tenant_file import TenantFile
from daemon.core.paths import TenantPaths
from daemon.supervisor.logs.tenant_log import TenantLog
from daemon.supervisor.process.encoder_process import EncoderProcess
from daemon.supervisor.records.events import EventName
from daemon.supervisor.states import COMING_UP, ENDINGS, Goal, State, Trigger, step
from daemon.supervisor.tenants.encoder import Encoder
from daemon.supervisor.tenants.inbox import Inbox, Posted
from daemon.supervisor.tenants.services import TenantServices
from daemon.supervisor.tenants.shown.facts import Facts
from daemon.supervisor.tenants.shown.warnings import Warnings
from daemon.supervisor.tenants.starts.backoff import HEALTHY_S, Crashes
from daemon.supervisor.tenants.timer import Timer
from daemon.supervisor.tenants.traffic import Traffic

log = logging.getLogger(__name__)

_UPWARDS = frozenset({Trigger.START, Trigger.RESTART, Trigger.PARK})
_AT_REST = frozenset({State.STOPPED, State.FAILED})
_WITHOUT_ENCODER = frozenset({State.STOPPED, State.FAILED, State.PARKED, State.BACKOFF})


class Tenant:
    """A tenant of this daemon; other rooms read it, and change it by `want`, `post` and the methods of its parts."""

    def __init__(
        self, file: TenantFile, paths: TenantPaths, services: TenantServices, rests: str | None = None
    ) -> None:
        """Make a tenant that `run` sets off; `rests` says why it begins parked though its goal is to be up."""
        self.name = file.name
        self.file = file
        self.paths = paths
        self.log = TenantLog(paths.encoder_log)
        self.state = State.STOPPED
        self.goal = services.db.goal(file.name)
        self.reason: str | None = None
        self.facts = Facts(services.isolation)
        self.warnings = Warnings()
        self.traffic = Traffic(paths.socket)
        self._services = services
        self._rests = rests
        self._parked = services.db.parked(file.name)  # when it was last up; None: it never was
        self._inbox = Inbox()
        self._timer = Timer()
        self._crashes = Crashes()
        self._stop_for = Trigger.ENDED_FOR_STOP
        self.encoder = Encoder(self, services, self.facts, self.traffic, self.log, self._timer)

    @property
    def config(self) -> TenantConfig | None:
        """Return the configuration in force; None where the file is not valid."""
        return self.file.config

    @property
    def process(self) -> EncoderProcess | None:
        return self.encoder.process

    @property
    def serving(self) -> EncoderProcess | None:
        """Return the encoder that may be asked now."""
        process = self.process
        return process if self.state is State.READY and process is not None and not process.hung else None

    @property
    def coming_up(self) -> bool:
        return self.state in COMING_UP

    @property
    def rests_until_asked(self) -> bool:
        """Tell whether the next request starts it: it is parked, or about to be."""
        is_parking = self.state is State.STOPPING and self._stop_for is Trigger.ENDED_FOR_PARK
        return self.state is State.PARKED or is_parking

    @property
    def urgency(self) -> int:
        """Return the rank of its start: first where requests wait, then what was up when it was last seen."""
        if self.traffic.waiting:
            return 0
        return 2 if self._parked is None else 1

    # --- commands ------------------------------------------------------------------------------------

    def put_in_force(self, file: TenantFile) -> TenantFile:
        """Replace its file, and return the one before; the encoder notices nothing of that."""
        before, self.file = self.file, file
        return before

    def post(self, trigger: Trigger, reason: str | None = None, source: EncoderProcess | None = None) -> None:
        """Put a trigger into the inbox; `source` is the process that it comes from."""
        self._inbox.post(Posted(trigger, reason, source))

    def want(self, goal: Goal, trigger: Trigger | None = None) -> None:
        """Set and keep the goal, and set off for it."""
        self.goal = goal
        self._services.db.set_goal(self.name, goal)
        self.post(trigger or (Trigger.START if goal is Goal.UP else Trigger.STOP))

    def explain(self, reason: str) -> None:
        """Show a reason while the state stays."""
        self.reason = reason

    # --- waiting for a change ------------------------------------------------------------------------

    def announce(self) -> None:
        """Wake everybody who waits for a change."""
        self._inbox.announce()

    async def until_taken(self) -> None:
        """Wait until the run loop has taken everything posted so far."""
        await self._inbox.until_taken()

    async def next_change(self) -> None:
        """Wait until the state, or the progress of a start, changes."""
        await self._inbox.next_change()

    async def until(self, reached: Callable[[Tenant], bool]) -> None:
        """Wait for a change that makes `reached` true."""
        while not reached(self):
            await self.next_change()

    # --- the run loop --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run until cancelled; a bug here is shown in `reason` and leaves the other tenants alone."""
        logs.tenant.set(self.name)
        if self.file.error is not None:
            self.post(Trigger.REFUSED, self.file.error.message)
        elif self.goal is Goal.UP:
            self.post(Trigger.PARK if self._rests else Trigger.START, self._rests)
        while True:
            async with self._inbox.next() as posted:
                self._take_guarded(posted)

    def _take_guarded(self, posted: Posted) -> None:
        try:
            self._take(posted)
        except Exception as error:  # the one broad guard: a bug in this loop must not end the others
            log.exception("tenant-run-loop")
            self._enter(State.FAILED, f"internal error: {type(error).__name__}; see the daemon's log")

    def _take(self, posted: Posted) -> None:
        if self._is_stale(posted):
            return
        trigger = posted.trigger
        if trigger in ENDINGS:  # what it ends for may have changed since it was posted
            trigger = Trigger.ENDED_FOR_STOP if self.goal is Goal.DOWN else self._stop_for
        following = step(self.state, trigger)
        if following is None:
            return
        self._leave(trigger)
        self._enter(following, posted.reason)
        if following is State.STARTING:
            self.encoder.start()

    def _is_stale(self, posted: Posted) -> bool:
        """Tell whether it comes too late: from an earlier start, or upwards after somebody asked for a stop."""
        if posted.source is not None and self.encoder.is_of_the_past(posted.source):
            return True
        return self.goal is Goal.DOWN and posted.trigger in _UPWARDS

    def _leave(self, trigger: Trigger) -> None:
        """End what belongs to the present state, and note where a stop leads."""
        self._timer.clear()
        ends = {
            Trigger.STOP: Trigger.ENDED_FOR_STOP,
            Trigger.PARK: Trigger.ENDED_FOR_PARK,
            Trigger.RESTART: Trigger.ENDED_FOR_RESTART,
        }
        if self.state is State.STOPPING:
            ends[Trigger.START] = Trigger.ENDED_FOR_RESTART
        if trigger in ends:
            self._stop_for = ends[trigger]

    def _enter(self, state: State, reason: str | None) -> None:
        before, self.state, self.reason = self.state, state, reason
        self._begin(state, before)
        if state not in (State.STARTING, State.WARMING):
            self.encoder.end_of_start()
        if state in _WITHOUT_ENCODER:
            self.traffic.drop()
        if state in _AT_REST:
            self._services.release(self.name)
        if state is not before:
            self._services.events.emit(EventName.TENANT_STATE, self.name, state=state, before=before, reason=reason)
            log.info("tenant-state", extra={"state": state.value, "before": before.value, "reason": reason})
        self.announce()

    def _begin(self, state: State, before: State) -> None:
        """Begin what belongs to the new state."""
        if state is State.BACKOFF:
            delay = self._crashes.delay_after(ready=before is State.READY)
            self._timer.set(delay, lambda: self.post(Trigger.BACKOFF_OVER, self.reason))
        elif state is State.STOPPING and before is not State.STOPPING:
            self.encoder.stop(was_ready=before is State.READY)
        elif state is State.WARMING:
            self.encoder.extend_start()
        elif state is State.READY:
            self._timer.set(HEALTHY_S, self.become_healthy)
            self._remember_parked(False)
            self._services.db.set_gpu(self.name, self.file.gpu)
        elif state is State.PARKED:
            self._remember_parked(True)
        elif state is State.FAILED:
            self.encoder.give_up()

    def _remember_parked(self, parked: bool) -> None:
        """Keep it for the next daemon: what was parked comes back parked."""
        if parked is not self._parked:
            self._services.db.set_parked(self.name, parked)
            self._parked = parked

    def become_healthy(self) -> None:
        """Forget the crashes: the encoder has been ready for HEALTHY_S."""
        self._crashes.forget()
        self.facts.crash = None

    async def close(self) -> None:
        """Stop the encoder and keep the goal: the daemon ends, or the tenant is removed."""
        self._timer.clear()
        await self.encoder.close()
        await self.traffic.close()
        self.log.close()
