"""The command line beside a daemon."""

from __future__ import annotations

import pytest

from tests.support.daemons import RunningDaemon
from tests.support.shell import Shell


@pytest.fixture
def shell(daemon: RunningDaemon) -> Shell:
    """Commands of the daemon's installation."""
    return Shell(daemon.root)
