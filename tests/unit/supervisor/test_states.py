from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.supervisor.states import (
    COMING_UP,
    ENDINGS,
    HAS_PROCESS,
    TRANSITIONS,
    Goal,
    State,
    Trigger,
    step,
)
from daemon.supervisor.tenants.starts.backoff import AFTER_READY, BEFORE_READY, Crashes


def test_every_state_has_a_row():
    assert set(TRANSITIONS) == set(State)


def test_every_trigger_leads_somewhere():
    used = {trigger for row in TRANSITIONS.values() for trigger in row}
    assert used == set(Trigger)


# The same table told from the other side: what each trigger does, in the states where it does anything.
WITHOUT_PROCESS = {State.STOPPED, State.BACKOFF, State.FAILED, State.PARKED}
COMING = {State.STARTING, State.WARMING}
LEADS = {
    Trigger.START: {State.STARTING: WITHOUT_PROCESS, State.STOPPING: {State.STOPPING}},
    Trigger.STOP: {
        State.STOPPING: {*COMING, State.READY, State.STOPPING},
        State.STOPPED: WITHOUT_PROCESS - {State.STOPPED},
    },
    Trigger.RESTART: {State.STARTING: WITHOUT_PROCESS, State.STOPPING: {*COMING, State.READY, State.STOPPING}},
    Trigger.PARK: {
        State.STOPPING: {*COMING, State.READY, State.STOPPING},
        State.PARKED: {State.STOPPED, State.BACKOFF},
    },
    Trigger.SAID_HELLO: {State.WARMING: {State.STARTING}},
    Trigger.BECAME_READY: {State.READY: {State.WARMING}},
    Trigger.REFUSED: {State.FAILED: set(State) - {State.STOPPING}},
    Trigger.CRASHED: {State.BACKOFF: {*COMING, State.READY}},
    Trigger.BACKOFF_OVER: {State.STARTING: {State.BACKOFF}},
    Trigger.ENDED_FOR_STOP: {State.STOPPED: {State.STOPPING}},
    Trigger.ENDED_FOR_PARK: {State.PARKED: {State.STOPPING}},
    Trigger.ENDED_FOR_RESTART: {State.STARTING: {State.STOPPING}},
    Trigger.WONT_DIE: {State.FAILED: {*COMING, State.READY, State.STOPPING}},
}


@pytest.mark.parametrize("trigger", list(Trigger))
def test_each_trigger_leads_where_it_should_and_elsewhere_changes_nothing(trigger: Trigger):
    expected = {before: after for after, states in LEADS[trigger].items() for before in states}
    assert {state: step(state, trigger) for state in State} == {state: expected.get(state) for state in State}


def test_the_groups_of_states_follow_from_the_table():
    assert {state for state in State if step(state, Trigger.WONT_DIE)} == HAS_PROCESS
    assert {state for state in State if state in COMING or step(state, Trigger.BACKOFF_OVER)} == COMING_UP
    assert {trigger for trigger in Trigger if trigger.name.startswith("ENDED_FOR_")} == ENDINGS


@pytest.mark.parametrize("member", [*State, *Goal, *Trigger])
def test_a_value_is_its_name_as_the_api_writes_it(member: State | Goal | Trigger):
    assert member.value == member.name.lower().replace("_", "-")


def test_every_state_can_be_reached():
    reached = {following for row in TRANSITIONS.values() for following in row.values()}
    assert reached == set(State)


def reachable(start: State) -> set[State]:
    found, pending = {start}, [start]
    while pending:
        for following in TRANSITIONS[pending.pop()].values():
            if following not in found:
                found.add(following)
                pending.append(following)
    return found


@given(st.lists(st.sampled_from(list(Trigger)), max_size=60))
def test_no_sequence_leaves_a_tenant_without_a_way_to_ready_and_to_stopped(triggers: list[Trigger]):
    state = State.STOPPED
    for trigger in triggers:
        state = step(state, trigger) or state
    assert {State.READY, State.STOPPED, State.FAILED} <= reachable(state)


def test_what_comes_too_late_changes_nothing():
    assert step(State.STOPPED, Trigger.CRASHED) is None
    assert step(State.FAILED, Trigger.BACKOFF_OVER) is None


@pytest.mark.parametrize(
    ("ladder", "delays"),
    [(BEFORE_READY, [0.5, 1, 2, 4, 8, 16, 30, 30]), (AFTER_READY, [0.1, 0.2, 0.4, 0.8, 1.6, 2, 2])],
)
def test_backoff_doubles_to_its_bound(ladder, delays):
    assert [ladder.delay(n, chance=lambda: 0.0) for n in range(1, len(delays) + 1)] == pytest.approx(delays)


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_jitter_stays_within_the_bound(crashes: int, chance: float):
    assert BEFORE_READY.first_s <= BEFORE_READY.delay(crashes, lambda: chance) <= BEFORE_READY.last_s


def test_a_killed_start_does_not_wait_for_what_running_encoders_went_through():
    crashes = Crashes()
    assert [crashes.delay_after(ready=True) for _ in range(6)] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 2])
    assert crashes.delay_after(ready=False) == pytest.approx(0.5, rel=0.2)
    assert crashes.delay_after(ready=False) == pytest.approx(1, rel=0.2)
    assert crashes.delay_after(ready=True) == 2
    crashes.forget()
    assert crashes.delay_after(ready=True) == 0.1
