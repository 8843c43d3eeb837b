from __future__ import annotations

import asyncio
import os
import time

import pytest

from daemon.core.encoder_protocol import progress_page
from daemon.core.encoder_protocol.progress_page import CallKind, ProgressReader, ProgressWriter, Reading
from daemon.encoder.model_thread.heartbeat import Heartbeat
from daemon.supervisor.process.hang import Calls, Deadlines, verdict
from tests.support.daemons import wait_for

DEADLINES = Deadlines(call_s=3.0, chunk_s=60.0)


def calls(age: float, moved: float, now: float = 1000.0) -> Calls:
    return Calls({1: now - age}, now - moved)


def reading(kind: CallKind, age: float, now: float = 1000.0) -> Reading:
    return Reading(1, kind, int((now - age) * 1e9))


def test_the_page_carries_what_was_written():
    fd = progress_page.create()
    writer, reader = ProgressWriter(fd), ProgressReader(fd)
    assert reader.read() == Reading(0, CallKind.IDLE, 0)
    before = time.monotonic_ns()
    writer.begin(CallKind.SEARCH)
    during = reader.read()
    assert (during.counter, during.kind) == (1, CallKind.SEARCH)
    assert before <= during.started_ns <= time.monotonic_ns()
    writer.end()
    assert (reader.read().counter, reader.read().kind) == (2, CallKind.IDLE)
    os.close(fd)


def test_a_forged_page_is_clamped():
    fd = progress_page.create()
    os.pwrite(fd, b"\xfe" * progress_page.PAGE_BYTES, 0)
    found = ProgressReader(fd).read()
    assert found.kind is CallKind.OTHER
    assert found.started_ns <= time.monotonic_ns()
    os.close(fd)


def test_a_search_call_over_the_deadline_is_hung():
    assert verdict(reading(CallKind.SEARCH, 3.1), Calls.none(), DEADLINES, 1000.0)
    assert verdict(reading(CallKind.SEARCH, 2.9), calls(2.9, 2.9), DEADLINES, 1000.0) is None


def test_requests_without_progress_are_hung():
    assert verdict(reading(CallKind.IDLE, 0), calls(3.5, 3.5), DEADLINES, 1000.0)
    assert verdict(reading(CallKind.IDLE, 0), calls(10, 0.5), DEADLINES, 1000.0) is None


def test_nothing_outstanding_is_no_hang():
    idle = Calls({}, 0.0)
    assert verdict(reading(CallKind.IDLE, 0), idle, DEADLINES, 1000.0) is None


def test_an_import_call_has_its_own_limit():
    waiting = calls(30, 30)
    assert verdict(reading(CallKind.IMPORT, 30), waiting, DEADLINES, 1000.0) is None
    assert verdict(reading(CallKind.IMPORT, 61), waiting, DEADLINES, 1000.0)


def test_calls_know_when_something_moved():
    found = Calls.none()
    number = found.begin()
    found.moved_at = 0.0
    found.saw(7)
    assert found.moved_at > 0.0
    found.end(number)
    found.end(number)
    assert found.oldest_first == {}


def test_work_beside_the_worker_is_on_the_page():
    fd = progress_page.create()
    writer, reader = ProgressWriter(fd), ProgressReader(fd)
    writer.begin(CallKind.SEARCH)
    before = reader.read()
    assert before.work_moved_ns is None
    began = time.monotonic_ns()
    with writer.work(), writer.work():
        during = reader.read()
        assert (during.kind, during.started_ns) == (CallKind.SEARCH, before.started_ns)
        assert began <= (during.work_moved_ns or 0) <= time.monotonic_ns()
        writer.moved()
        assert reader.read().counter == during.counter + 1
    after = reader.read()
    assert after.work_moved_ns is None
    assert after.counter > during.counter
    os.close(fd)


def test_the_event_loop_beats_on_the_page():
    fd = progress_page.create()
    writer, reader = ProgressWriter(fd), ProgressReader(fd)
    assert reader.read().beat_ns is None
    before = time.monotonic_ns()
    writer.beat(again=True)
    during = reader.read()
    assert before <= (during.beat_ns or 0) <= time.monotonic_ns()
    assert during.counter == 0, "a heartbeat is no progress"
    writer.beat(again=False)
    assert reader.read().beat_ns is None
    os.close(fd)


@pytest.mark.parametrize("kind", [CallKind.IMPORT, CallKind.IDLE])
@pytest.mark.parametrize(("beat", "waits", "hung"), [(3.1, 3.1, True), (0.2, 30, False), (30, 0.2, False)])
def test_a_silent_event_loop_is_hung_once_a_request_has_waited_as_long(
    kind: CallKind, beat: float, waits: float, hung: bool
):
    now = 1000.0
    silent = Reading(1, kind, int((now - 5) * 1e9), int((now - 5) * 1e9), int((now - beat) * 1e9))
    why = verdict(silent, calls(waits, 0.0), DEADLINES, now)
    assert ("event loop" in (why or "")) is hung
    assert hung or why is None


def test_a_silent_event_loop_without_requests_has_the_limit_of_what_runs():
    idle = Calls({}, 0.0)
    assert verdict(Reading(1, CallKind.IMPORT, int(970e9), None, int(970e9)), idle, DEADLINES, 1000.0) is None
    assert verdict(Reading(1, CallKind.IMPORT, int(930e9), None, int(930e9)), idle, DEADLINES, 1000.0)


def test_a_short_deadline_is_not_for_the_event_loop():
    short = Deadlines(call_s=0.5, chunk_s=60.0)
    busy = Reading(1, CallKind.IDLE, 0, int(1000e9), int(998.5e9))
    assert verdict(busy, calls(30, 30), short, 1000.0) is None
    assert verdict(busy, calls(30, 30), short, 1001.0)


def test_requests_since_the_silence_count_from_the_oldest_that_is_left():
    found = Calls.none()
    first, second = found.begin(), found.begin()
    assert found.oldest == found.oldest_first[first]
    found.end(first)
    assert found.oldest == found.oldest_first[second]


async def test_the_heart_beats_while_work_runs_even_when_its_asker_has_gone():
    fd = progress_page.create()
    writer, reader = ProgressWriter(fd), ProgressReader(fd)
    heart = Heartbeat(writer)

    async def next_beat() -> int | None:
        before = reader.read().beat_ns
        await asyncio.to_thread(wait_for, lambda: reader.read().beat_ns != before, 10, "a beat")
        return reader.read().beat_ns

    with heart.beating():
        assert reader.read().beat_ns is not None
        assert await next_beat() is not None
        writer.begin(CallKind.IMPORT)
    assert await next_beat() is not None
    writer.end()
    assert await next_beat() is None
    with heart.beating():
        assert reader.read().beat_ns is not None
    os.close(fd)


def working(kind: CallKind, moved: float, now: float = 1000.0) -> Reading:
    return Reading(1, kind, int((now - 5) * 1e9), int((now - moved) * 1e9))


def test_a_long_commit_is_no_hang_while_it_moves():
    assert verdict(working(CallKind.IDLE, 59), calls(30, 30), DEADLINES, 1000.0) is None
    assert verdict(working(CallKind.IDLE, 61), calls(30, 30), DEADLINES, 1000.0)


def test_a_commit_excuses_no_search_call():
    assert verdict(working(CallKind.SEARCH, 0), calls(5, 5), DEADLINES, 1000.0)


def test_a_call_of_the_index_that_never_returns_is_hung_though_other_answers_come():
    assert verdict(reading(CallKind.OTHER, 61), calls(0.1, 0.1), DEADLINES, 1000.0)
