"""Encoders that stand still in every way, and those that are only busy."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import pytest

from daemon.core.encoder_protocol.progress_page import CallKind, ProgressReader
from daemon.core.errors import EncoderHung, QueueFull
from daemon.core.wire import NewEntry, OperationState
from tests.conftest import StartDaemon
from tests.support.daemons import RunningDaemon, fake_tenant, page_of, wait_for

PATIENCE_S = 20.0  # far below chunk_deadline_s, which excuses what stands still as long as its event loop runs


def events(daemon: RunningDaemon) -> dict[str, dict[str, Any]]:
    """The last event of acme by its name."""
    with daemon.client() as client:
        return {event.name: event.data for event in client.events(after=0, limit=1000).events}


def pid_of(daemon: RunningDaemon) -> int:
    pid = daemon.tenant("acme").pid
    assert pid is not None
    return pid


@contextmanager
def commits_wait(daemon: RunningDaemon) -> Iterator[None]:
    """Another process has the base's write lock: a commit takes as long as this."""
    with closing(sqlite3.connect(daemon.paths.tenant("acme").knowledge_db, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield


def in_a_commit(page: ProgressReader) -> bool:
    """Reads before a change are over in no time."""
    moved = page.read().work_moved_ns
    return moved is not None and time.monotonic_ns() - moved > 2e8


def importing(page: ProgressReader) -> bool:
    return page.read().kind is CallKind.IMPORT


def add(daemon: RunningDaemon, text: str) -> list[int]:
    with daemon.client() as client:
        return client.add("acme", [NewEntry(text=text)]).added


def delete(daemon: RunningDaemon, id_: int) -> list[int]:
    with daemon.client() as client:
        return client.delete("acme", [id_]).deleted


def document_vector(daemon: RunningDaemon) -> None:
    with daemon.client() as client:
        client.vector("acme", "is never encoded", "document")


def begin_import(daemon: RunningDaemon, text: str) -> str:
    with daemon.client() as client:
        return client.import_entries("acme", text.encode(), "text/plain").id


def is_found_hung(daemon: RunningDaemon, pid: int) -> str:
    """The reason that the daemon gives, once a search has failed for it and a new encoder is there."""
    with daemon.client() as client, pytest.raises(EncoderHung):
        client.search("acme", "never answered")
    wait_for(lambda: daemon.tenant("acme").pid not in (None, pid), what="a new encoder")
    reason: str = events(daemon)["tenant-hung"]["reason"]
    return reason


def test_a_hung_search_is_told_and_the_encoder_replaced(start_daemon: StartDaemon):
    tenant = fake_tenant(encoder={"fake": {"mode": "hang", "after": 3}}, search={"deadline_s": 1.0})
    daemon = start_daemon({"acme": tenant}).ready("acme")
    pid = daemon.tenant("acme").pid
    with daemon.client() as client:
        for number in range(3):
            client.search("acme", f"fine {number}")
        with pytest.raises(EncoderHung, match="please try again shortly") as caught:
            client.search("acme", "never answered")
        assert caught.value.retry_after is not None
        assert daemon.wait_state("acme", "ready").pid != pid
        client.search("acme", "fine again")
    assert "the deadline is 1 s" in events(daemon)["tenant-hung"]["reason"]


@pytest.mark.parametrize("how", ["spin", "stop"])
def test_an_encoder_that_does_nothing_at_all_is_replaced(start_daemon: StartDaemon, how: str):
    fake = {"mode": "spin", "after": 1} if how == "spin" else {}
    daemon = start_daemon({"acme": fake_tenant(encoder={"fake": fake}, search={"deadline_s": 1.0})}).ready("acme")
    pid = daemon.tenant("acme").pid
    assert pid is not None
    with daemon.client() as client:
        client.search("acme", "fine")
        if how == "stop":
            os.kill(pid, signal.SIGSTOP)
        reason = is_found_hung(daemon, pid)
    assert ("no progress for" if how == "stop" else "a search call has run for") in reason
    assert daemon.wait_state("acme", "ready").pid != pid


def test_a_full_queue_is_no_hang(start_daemon: StartDaemon):
    tenant = fake_tenant(encoder={"fake": {"mode": "slow", "delay_ms": 300}}, search={"max_queue": 4})
    daemon = start_daemon({"acme": tenant}).ready("acme")
    pid = daemon.tenant("acme").pid
    kinds: list[str] = []

    def search(number: int) -> None:
        with daemon.client() as client:
            try:
                client.search("acme", f"query {number}")
                kinds.append("ok")
            except QueueFull as error:
                assert error.retry_after is not None
                kinds.append(error.kind)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(search, range(16)))
    assert set(kinds) == {"ok", "queue-full"}
    assert daemon.tenant("acme").pid == pid


def test_a_large_change_is_no_hang(start_daemon: StartDaemon):
    """Parsing, comparing and committing take seconds each, in which nothing else happens."""
    daemon = start_daemon({"acme": fake_tenant(search={"deadline_s": 0.5})}).ready("acme")
    pid = daemon.tenant("acme").pid
    texts = [f"entry number {number} of a long list that is sent at once" for number in range(30_000)]
    with daemon.client() as client:
        assert client.set_texts("acme", texts).added == len(texts)
        assert len(client.add("acme", [NewEntry(text=f"more: {text}") for text in texts]).added) == len(texts)
        assert client.set_texts("acme", []).removed == 2 * len(texts)
    assert daemon.tenant("acme").pid == pid
    assert "tenant-hung" not in events(daemon)


def test_a_process_stopped_in_the_middle_of_a_commit_is_replaced_and_the_change_made(start_daemon: StartDaemon):
    daemon = start_daemon({"acme": fake_tenant(search={"deadline_s": 1.0})}).ready("acme")
    pid = pid_of(daemon)
    with ThreadPoolExecutor(1) as pool:
        with commits_wait(daemon), page_of(pid) as page:
            writing = pool.submit(add, daemon, "written once")
            wait_for(lambda: in_a_commit(page), what="the commit")
            os.kill(pid, signal.SIGSTOP)
            assert "event loop has not run" in is_found_hung(daemon, pid)
        assert len(writing.result(PATIENCE_S)) == 1
    with daemon.client() as client:
        assert client.entries("acme").total == 1


@pytest.mark.parametrize("mode", ["hang", "spin"])
def test_a_process_that_stands_still_in_an_import_call_is_replaced(start_daemon: StartDaemon, mode: str):
    """An encoder stands still by SIGSTOP, or because a call keeps the interpreter's lock."""
    fake = {"mode": mode, "calls": "documents"}
    daemon = start_daemon({"acme": fake_tenant(encoder={"fake": fake}, search={"deadline_s": 1.0})}).ready("acme")
    pid = pid_of(daemon)
    with page_of(pid) as page:
        operation = begin_import(daemon, "is never encoded")
        wait_for(lambda: importing(page), what="the import's call")
        if mode == "hang":
            os.kill(pid, signal.SIGSTOP)
        assert "event loop has not run" in is_found_hung(daemon, pid)
    daemon.ready("acme")
    with daemon.client() as client:
        assert client.operation("acme", operation).state is OperationState.INTERRUPTED


def test_a_held_interpreter_lock_during_a_commit_is_found(start_daemon: StartDaemon):
    """The commit itself, in SQLite, holds no lock of the interpreter's: a document's call beside it does."""
    fake = {"mode": "spin", "calls": "documents", "after": 1}
    daemon = start_daemon({"acme": fake_tenant(encoder={"fake": fake}, search={"deadline_s": 1.0})}).ready("acme")
    [id_] = add(daemon, "deleted meanwhile")
    pid = pid_of(daemon)
    with ThreadPoolExecutor(2) as pool:
        with commits_wait(daemon), page_of(pid) as page:
            deleting = pool.submit(delete, daemon, id_)
            wait_for(lambda: in_a_commit(page), what="the commit")
            spinning = pool.submit(document_vector, daemon)
            wait_for(lambda: importing(page), what="the document's call")
            assert "event loop has not run" in is_found_hung(daemon, pid)
        assert deleting.result(PATIENCE_S) == [id_]
        with pytest.raises(EncoderHung):
            spinning.result(PATIENCE_S)


def test_a_long_import_call_is_no_hang_until_its_own_limit(start_daemon: StartDaemon):
    fake = {"mode": "hang", "calls": "documents"}
    search = {"deadline_s": 0.5, "chunk_deadline_s": 3.0}
    daemon = start_daemon({"acme": fake_tenant(encoder={"fake": fake}, search=search)}).ready("acme")
    pid = pid_of(daemon)
    with page_of(pid) as page:
        begin_import(daemon, "is never encoded")
        wait_for(lambda: importing(page), what="the import's call")
        assert "an import call has run for" in is_found_hung(daemon, pid)


def test_a_long_commit_is_no_hang(start_daemon: StartDaemon):
    daemon = start_daemon({"acme": fake_tenant(search={"deadline_s": 0.5})}).ready("acme")
    pid = pid_of(daemon)
    with ThreadPoolExecutor(1) as pool:
        with commits_wait(daemon), page_of(pid) as page:
            writing = pool.submit(add, daemon, "written at last")
            wait_for(lambda: in_a_commit(page), what="the commit")
            with pytest.raises(TimeoutError):
                writing.result(3.0)  # six deadlines, and longer than a silent event loop is given
        assert len(writing.result(PATIENCE_S)) == 1
    assert pid_of(daemon) == pid
    assert "tenant-hung" not in events(daemon)


def test_an_idle_encoder_does_not_beat(start_daemon: StartDaemon):
    daemon = start_daemon({"acme": fake_tenant()}).ready("acme")
    with page_of(pid_of(daemon)) as page:
        add(daemon, "some work")
        wait_for(lambda: page.read().beat_ns is None, what="the heartbeat's end")
