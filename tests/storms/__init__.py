"""Storms: tests that do the same thing again and again at other moments, and can go on for as long as one likes.

deploy/test.sh runs a few rounds of each; `python -m tests.storms 40` runs forty times as many.
"""

from __future__ import annotations

import os
import secrets

import pytest

FACTOR = "VECWARD_STORM"
SEED = "VECWARD_SEED"

storm = pytest.mark.storm


def rounds(few: int) -> int:
    """The number of rounds to run where the suite runs `few`."""
    return few * factor()


def factor() -> int:
    return int(os.environ.get(FACTOR) or 1)


def dice(usual: int) -> int:
    """The seed of a storm: `usual` in the suite, a new one each time in a longer run."""
    return usual if factor() == 1 else seed()


def seed() -> int:
    """A new one each time, to be printed by the test; VECWARD_SEED repeats what went wrong."""
    return int(os.environ.get(SEED) or secrets.randbelow(1_000_000))


def limit(seconds: float) -> pytest.MarkDecorator:
    """The time that a storm may take, of which it needs the more the longer it is."""
    return pytest.mark.timeout(seconds * factor())
