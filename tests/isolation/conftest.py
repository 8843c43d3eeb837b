"""Isolation is proved as root against real processes; without root nothing here can be."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from daemon.cli.attacks.stage import Stage

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="strict isolation needs root: run the tests as root")


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage() as stage:
        yield stage
