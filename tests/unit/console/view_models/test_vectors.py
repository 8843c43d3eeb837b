"""A vector as signed bars."""

from __future__ import annotations

from console.view_models import vectors as vm
from daemon.core import wire


def test_bars_are_signed_and_the_largest_is_full() -> None:
    view = vm.vector_view(wire.Vector(dimension=4, norm=1, fingerprint="f", values=[0.5, -0.25, 0.0]))
    assert [(bar.value, bar.percent, bar.positive) for bar in view.bars] == [
        ("+0.5000", 100, True),
        ("-0.2500", 50, False),
        ("+0.0000", 0, True),
    ]
    assert vm.vector_view(wire.Vector(dimension=1, norm=0, fingerprint="f", values=[0.0])).bars[0].percent == 0
