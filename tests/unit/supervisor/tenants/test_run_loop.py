"""The run loop itself under random sequences of triggers: a real Tenant, a scripted encoder process."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from daemon.core.encoder_protocol.control import Refused, Warming
from daemon.supervisor.process.ended import Ended
from daemon.supervisor.states import Goal, State, Trigger
from daemon.supervisor.tenants import encoder as encoder_module
from daemon.supervisor.tenants.starts.backoff import HEALTHY_S
from daemon.supervisor.tenants.tenant import Tenant
from tests.support.scripted_tenant import EXITED, KILLED, READY, SELF_REFUSED, World

SETTLED = frozenset({State.READY, State.STOPPED, State.PARKED, State.FAILED})


def backoff_is_over(tenant: Tenant) -> None:
    """Post what the timer of its backoff would."""
    if tenant.state is State.BACKOFF:
        tenant.post(Trigger.BACKOFF_OVER, tenant.reason)


class RunLoop(RuleBasedStateMachine):
    """Triggers come one by one or in bursts: `settle` decides when the run loop gets its turn."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="vw-run-loop-"))

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(coroutine)

    def act(self, function: Callable[[], object]) -> None:
        async def on_the_loop() -> None:
            function()

        self.run(on_the_loop())

    @initialize()
    def begin(self) -> None:
        async def make() -> World:
            return World(self.folder)

        self.world = self.run(make())
        self.tenant: Tenant = self.world.tenant

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.comes_to_rest()
            self.run(self.world.close())
        self.runner.close()
        shutil.rmtree(self.folder)

    # --- what people and timers do ---

    @rule()
    def start(self) -> None:
        self.act(lambda: self.tenant.want(Goal.UP))

    @rule()
    def stop(self) -> None:
        self.act(lambda: self.tenant.want(Goal.DOWN))

    @rule()
    def restart(self) -> None:
        self.act(lambda: self.tenant.want(Goal.UP, Trigger.RESTART))

    @rule(trigger=st.sampled_from([Trigger.PARK, Trigger.RESTART, Trigger.START]))
    def posted_without_a_goal(self, trigger: Trigger) -> None:
        """The idle watch parks, the memory check restarts, a waiting request wakes."""
        self.act(lambda: self.tenant.post(trigger, "by itself"))

    @rule()
    def time_passes(self) -> None:
        self.act(lambda: backoff_is_over(self.tenant))

    @rule()
    def start_takes_too_long(self) -> None:
        self.act(self.tenant.encoder.start_takes_too_long)

    # --- what the encoder and the host do ---

    @precondition(lambda self: self.world.process is not None)
    @rule(message=st.sampled_from([Warming(step="x"), READY, Refused(kind="k", reason="cannot")]))
    def encoder_says(self, message: Any) -> None:
        process = self.world.process
        if process.refusal is None:
            self.act(lambda: process.say(message))

    @precondition(lambda self: self.world.process is not None)
    @rule(how=st.sampled_from([KILLED, EXITED, SELF_REFUSED]))
    def encoder_ends(self, how: Ended) -> None:
        self.act(lambda: self.world.process.end(how))

    @precondition(lambda self: self.world.process is not None and self.world.process.said_ready)
    @rule()
    def encoder_hangs(self) -> None:
        self.act(lambda: self.tenant.process and self.tenant.encoder.kill_hung(self.tenant.process, 1.0, "no progress"))

    @precondition(lambda self: self.world.process is not None)
    @rule(stubborn=st.booleans())
    def encoder_can_be_killed(self, stubborn: bool) -> None:
        self.world.process.stubborn = stubborn

    @rule(free=st.booleans())
    def gpu(self, free: bool) -> None:
        event = self.world.gpu_is_free
        self.act(event.set if free else event.clear)

    @rule(refuses=st.booleans())
    def launch(self, refuses: bool) -> None:
        self.world.launch_refuses = refuses

    @rule(turns=st.integers(1, 5))
    def some_turns(self, turns: int) -> None:
        async def some() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)

        self.run(some())

    @rule()
    def settle(self) -> None:
        self.run(self.world.settle())

    # --- what must hold ---

    @invariant()
    def at_most_one_encoder_lives(self) -> None:
        if hasattr(self, "world"):
            assert sum(process.alive for process in self.world.processes) <= 1

    @invariant()
    def failed_says_why(self) -> None:
        if hasattr(self, "world") and self.tenant.state is State.FAILED:
            assert self.tenant.reason

    def comes_to_rest(self) -> None:
        """The host does its part from here on: the tenant reaches what is wanted of it, or says why not."""
        tenant, world = self.tenant, self.world
        world.launch_refuses = False
        self.act(world.gpu_is_free.set)
        for _ in range(10):
            self.run(world.settle())
            self.act(lambda: backoff_is_over(tenant))
            self._help_along()
        assert tenant.state in SETTLED, (tenant.state, tenant.goal)
        if tenant.state is not State.FAILED:
            wanted = {State.STOPPED} if tenant.goal is Goal.DOWN else {State.READY, State.PARKED}
            assert tenant.state in wanted, (tenant.state, tenant.goal)
        assert (world.process is not None) == (tenant.state is State.READY) or tenant.state is State.FAILED
        self._obeys_from_here()

    def _help_along(self) -> None:
        """A good encoder: gets ready, and ends when it is, or was, killed."""
        process = self.world.process
        if process is None:
            return
        process.stubborn = False
        if process.killed or process.hung or process.start_problem or process.refusal:
            self.act(lambda: process.end(KILLED))
        elif not process.said_ready or self.tenant.state in (State.STARTING, State.WARMING):
            self.act(lambda: process.say(Warming(step="x")))
            self.run(self.world.settle())
            if process.alive:
                self.act(lambda: process.say(READY))

    def _obeys_from_here(self) -> None:
        """Check that a stop stops it and a start starts it, in whatever state it ended."""
        for goal, state in ((Goal.DOWN, State.STOPPED), (Goal.UP, State.READY)):
            self.act(lambda goal=goal: self.tenant.want(goal))
            for _ in range(4):
                self.run(self.world.settle())
                self._help_along()
            self.run(self.world.settle())
            assert self.tenant.state is state, (self.tenant.state, self.tenant.reason)


@pytest.fixture(autouse=True)
def timers_are_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process is looked after at once; no other timer fires while the test runs."""
    monkeypatch.setattr(encoder_module, "KILL_WAIT_S", 0.0)


class TestRunLoop(RunLoop.TestCase):  # type: ignore[misc, name-defined]
    settings = settings(
        max_examples=100,
        stateful_step_count=25,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


async def test_a_stop_does_not_wait_for_a_start_that_waits(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.gpu_is_free.clear()
    tenant = world.tenant
    await world.settle()
    assert tenant.state is State.STARTING
    tenant.want(Goal.DOWN)
    await world.settle()
    assert tenant.state is State.STOPPED
    assert world.processes == []
    world.gpu_is_free.set()
    await world.settle()
    assert (tenant.state, world.processes) == (State.STOPPED, [])
    await world.close()


async def test_silence_after_the_first_word_ends_with_start_s(tmp_path: Path) -> None:
    """The timer of a start goes on when the encoder has said hello."""
    world = World(tmp_path)
    await world.settle()
    assert world.process is not None
    world.process.say(Warming(step="x"))
    await world.settle()
    assert world.tenant.state is State.WARMING
    assert 0 < delay_of(world.tenant) <= world.tenant.file.config.limits.start_s
    await world.close()


async def test_a_crash_is_shown_until_an_encoder_has_run_well_for_a_while(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.settle()
    assert world.process is not None
    world.process.end(KILLED)
    await world.settle()
    assert world.tenant.facts.crash is not None
    assert world.tenant.facts.crash.signal == "SIGKILL"
    backoff_is_over(world.tenant)
    await world.settle()
    world.process.say(Warming(step="x"))
    world.process.say(READY)
    await world.settle()
    assert world.tenant.state is State.READY
    assert world.tenant.facts.crash is not None
    world.tenant.become_healthy()
    assert world.tenant.facts.crash is None
    assert delay_of(world.tenant) == pytest.approx(HEALTHY_S, abs=1)
    await world.close()


def delay_of(tenant: Tenant) -> float:
    due_at = tenant._timer.due_at
    assert due_at is not None
    return due_at - asyncio.get_running_loop().time()


async def test_a_kill_that_meets_a_start_after_many_others_waits_for_half_a_second(tmp_path: Path) -> None:
    """Callers wait for wait_s; the ladder of starts alone goes beyond it, and only for starts that fail in a row."""
    world = World(tmp_path)
    for message in [READY] * 8 + [Warming(step="x")]:
        await world.settle()
        assert world.process is not None
        world.process.say(Warming(step="x"))
        world.process.say(message)
        await world.settle()
        world.process.end(KILLED)
        await world.settle()
        assert world.tenant.state is State.BACKOFF
        delay = delay_of(world.tenant)
        backoff_is_over(world.tenant)
    assert 0.4 < delay < 0.7
    await world.close()
