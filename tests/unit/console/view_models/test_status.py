"""States, buttons and figures as people read them."""

from __future__ import annotations

import pytest

from console.view_models import status as vm
from daemon.core import wire
from daemon.supervisor.states import State


def test_every_state_has_a_tone_and_a_way_out() -> None:
    for state in State:
        tenant = wire.TenantView(name="a", title=wire.Title(), state=state.value, goal="up")
        assert vm.tone(state) in ("good", "calm", "bad", "busy")
        assert vm.actions(tenant)
    assert vm.tone("ready") == "good"
    assert vm.tone("failed") == "bad"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, ("unit.seconds", 0)),
        (59.9, ("unit.seconds", 59)),
        (60, ("unit.minutes", 1)),
        (3599, ("unit.minutes", 59)),
        (3600, ("unit.hours", 1)),
        (100_000, ("unit.hours", 27)),
        (200_000, ("unit.days", 2)),
    ],
)
def test_durations_are_coarse(seconds: float, said: tuple[str, int]) -> None:
    assert vm.duration(seconds) == said


def test_sizes_and_short_texts() -> None:
    assert (vm.megabytes(198.4), vm.megabytes(2048)) == ("198 MiB", "2.0 GiB")
    assert vm.one_line(" a\n b ", 80) == "a b"
    assert len(vm.one_line("x" * 100, 80)) == 80
