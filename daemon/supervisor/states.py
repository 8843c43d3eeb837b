"""The states of a tenant, the triggers that change them, and the table that says which state follows.

A goal, up or down, stands beside the state. A restart is no state of its own: it is a stop whose end leads to a start,
and which of the three ends it is (`ENDED_FOR_…`) is known when it is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    STOPPED = "stopped"
    STARTING = "starting"
    WARMING = "warming"
    READY = "ready"
    STOPPING = "stopping"
    BACKOFF = "backoff"
    FAILED = "failed"
    PARKED = "parked"


class Goal(StrEnum):
    UP = "up"
    DOWN = "down"


class Trigger(StrEnum):
    """The triggers of a tenant's run loop, which takes one after the other."""

    START = "start"  # someone wants it up, or a request wakes it
    STOP = "stop"  # someone wants it down
    RESTART = "restart"  # stop, then start: also for a changed configuration
    PARK = "park"  # idle for longer than park_after_s
    SAID_HELLO = "said-hello"  # the encoder's first message: its pid is known
    BECAME_READY = "became-ready"
    REFUSED = "refused"  # this start can't succeed
    CRASHED = "crashed"  # the process ended though nobody asked it to
    BACKOFF_OVER = "backoff-over"
    ENDED_FOR_STOP = "ended-for-stop"  # the process ended, as asked; which of these it is, is known when it is taken
    ENDED_FOR_PARK = "ended-for-park"
    ENDED_FOR_RESTART = "ended-for-restart"
    WONT_DIE = "wont-die"  # even SIGKILL did not end it


S, T = State, Trigger

TRANSITIONS: Mapping[State, Mapping[Trigger, State]] = {
    S.STOPPED: {T.START: S.STARTING, T.RESTART: S.STARTING, T.REFUSED: S.FAILED, T.PARK: S.PARKED},
    S.STARTING: {
        T.SAID_HELLO: S.WARMING,
        T.REFUSED: S.FAILED,
        T.CRASHED: S.BACKOFF,
        T.WONT_DIE: S.FAILED,
        T.STOP: S.STOPPING,
        T.RESTART: S.STOPPING,
        T.PARK: S.STOPPING,
    },
    S.WARMING: {
        T.BECAME_READY: S.READY,
        T.REFUSED: S.FAILED,
        T.CRASHED: S.BACKOFF,
        T.WONT_DIE: S.FAILED,
        T.STOP: S.STOPPING,
        T.RESTART: S.STOPPING,
        T.PARK: S.STOPPING,
    },
    S.READY: {
        T.CRASHED: S.BACKOFF,
        T.STOP: S.STOPPING,
        T.RESTART: S.STOPPING,
        T.PARK: S.STOPPING,
        T.REFUSED: S.FAILED,
        T.WONT_DIE: S.FAILED,
    },
    S.STOPPING: {
        T.ENDED_FOR_STOP: S.STOPPED,
        T.ENDED_FOR_PARK: S.PARKED,
        T.ENDED_FOR_RESTART: S.STARTING,
        T.WONT_DIE: S.FAILED,
        T.START: S.STOPPING,  # these four change where it leads
        T.STOP: S.STOPPING,
        T.RESTART: S.STOPPING,
        T.PARK: S.STOPPING,
    },
    S.BACKOFF: {
        T.BACKOFF_OVER: S.STARTING,
        T.START: S.STARTING,
        T.RESTART: S.STARTING,
        T.STOP: S.STOPPED,
        T.PARK: S.PARKED,
        T.REFUSED: S.FAILED,
    },
    S.FAILED: {T.START: S.STARTING, T.RESTART: S.STARTING, T.STOP: S.STOPPED, T.REFUSED: S.FAILED},
    S.PARKED: {T.START: S.STARTING, T.RESTART: S.STARTING, T.STOP: S.STOPPED, T.REFUSED: S.FAILED},
}

HAS_PROCESS = frozenset({S.STARTING, S.WARMING, S.READY, S.STOPPING})
ENDINGS = frozenset({T.ENDED_FOR_STOP, T.ENDED_FOR_PARK, T.ENDED_FOR_RESTART})
COMING_UP = frozenset({S.STARTING, S.WARMING, S.BACKOFF})


def step(state: State, trigger: Trigger) -> State | None:
    """Look up the state that follows; None where the trigger changes nothing (it came too late)."""
    return TRANSITIONS[state].get(trigger)
