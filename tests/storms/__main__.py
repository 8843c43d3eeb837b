"""Runs the storms FACTOR times as long as the suite does; more arguments go to pytest (`-k durability`, `-x`).

python -m tests.storms 40
"""

from __future__ import annotations

import os
import sys

import pytest

from tests.storms import FACTOR

if __name__ == "__main__":
    times, *more = sys.argv[1:] or ["10"]
    os.environ[FACTOR] = times
    sys.exit(pytest.main(["-m", "storm", "-s", "-n", "0", "tests", *more]))
