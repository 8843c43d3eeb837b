"""SIGTERM: what is in flight is answered, for a bounded time, and nothing is left."""

from __future__ import annotations

import os
import signal
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psutil
import pytest

from daemon.core.encoder_protocol.progress_page import CallKind
from daemon.core.errors import Unavailable
from daemon.core.wire import NewEntry, SearchResult
from tests.conftest import StartDaemon
from tests.support.daemons import RunningDaemon, fake_tenant, page_of, wait_for

TEXT = "apples are a fruit"


def begin_search(daemon: RunningDaemon, pool: ThreadPoolExecutor) -> Future[SearchResult]:
    """Begin a search, and return once the model's call for it runs."""
    pid = daemon.tenant("acme").pid
    assert pid is not None

    def search() -> SearchResult:
        with daemon.client() as client:
            return client.search("acme", TEXT)

    with page_of(pid) as page:
        asked = pool.submit(search)
        wait_for(lambda: page.read().kind is CallKind.SEARCH, what="the search's call")
    return asked


def started(start_daemon: StartDaemon, fake: dict[str, Any]) -> RunningDaemon:
    """Start a daemon in which no encoder counts as hung."""
    return start_daemon({"acme": fake_tenant(encoder={"fake": fake}, search={"deadline_s": 300})}).ready("acme")


def test_a_search_in_flight_is_answered(start_daemon: StartDaemon) -> None:
    daemon = started(start_daemon, {"mode": "slow", "delay_ms": 300})
    with daemon.client() as client:
        client.add("acme", [NewEntry(text=TEXT)])
    with ThreadPoolExecutor(1) as pool:
        asked = begin_search(daemon, pool)
        assert daemon.stop() == 0
        assert asked.result(10).results[0].text == TEXT


@pytest.mark.parametrize("stopped", [False, True], ids=["a call that never returns", "a stopped process"])
def test_what_never_ends_is_not_waited_for(start_daemon: StartDaemon, stopped: bool) -> None:
    daemon = started(start_daemon, {"mode": "hang"})
    children = daemon.children()
    with ThreadPoolExecutor(1) as pool:
        asked = begin_search(daemon, pool)
        if stopped:
            os.kill(daemon.tenant("acme").pid or 0, signal.SIGSTOP)
        assert daemon.stop() == 0
        with pytest.raises(Unavailable, match="daemon is being stopped"):
            asked.result(10)
    assert psutil.wait_procs(children, timeout=10)[1] == []
    assert "Traceback" not in daemon.output()
