"""Fixtures for all tiers; what they stand on is in tests/support."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support import signals
from tests.support.daemons import RunningDaemon, fake_tenant, running_daemon
from tests.support.models import needs_torch, tiny_qwen3

StartDaemon = Callable[..., RunningDaemon]


def pytest_configure() -> None:
    """Make the tests pass however they are started."""
    signals.reset_in_children()


@pytest.fixture
def start_daemon() -> Iterator[StartDaemon]:
    """Starts daemons: ``start_daemon({"acme": fake_tenant()}, isolation="process")``."""
    with ExitStack() as stack:

        def start(tenants: dict[str, Any] | None = None, **config: Any) -> RunningDaemon:
            return stack.enter_context(running_daemon(tenants, **config))

        yield start


@pytest.fixture
def daemon(start_daemon: StartDaemon) -> RunningDaemon:
    """One daemon with one ready tenant, `acme`, on the fake encoder."""
    return start_daemon({"acme": fake_tenant()}).ready("acme")


@pytest.fixture(scope="session")
def qwen3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a two-layer random Qwen3-Embedding; nobody changes it."""
    needs_torch()
    return tiny_qwen3(tmp_path_factory.mktemp("models") / "Qwen3-Embedding-tiny")
