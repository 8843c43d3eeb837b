"""Operations of the daemon: how they end, and what stays of them."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.core.errors import Conflict, QueueFull, UnknownOperation
from daemon.core.wire import Operation, OperationState
from daemon.supervisor.records import operations as module
from daemon.supervisor.records.operations import MAX_RUNNING, Handle, Operations
from daemon.supervisor.records.state_db import StateDb


@pytest.fixture
def db(tmp_path: Path) -> Iterator[StateDb]:
    made = StateDb(tmp_path / "state.db")
    yield made
    made.close()


@pytest.fixture
def operations(db: StateDb) -> Operations:
    return Operations(db)


async def ended(operations: Operations, operation: Operation) -> Operation:
    return await operations.wait(operation.id, 10)


async def forever(_: Handle) -> None:
    await asyncio.Event().wait()


async def test_an_operation_that_ends_well_has_its_result_and_builds_no_error(
    operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_error(error: object) -> None:
        raise AssertionError(error)

    async def work(handle: Handle) -> dict[str, Any]:
        handle.progress(1, 2, "pages")
        assert (await operations.wait(operation.id, 0)).progress is not None
        return {"entries": 5}

    monkeypatch.setattr(module, "InternalError", no_error)
    operation = operations.begin("recover", "acme", work)
    found = await ended(operations, operation)
    assert (found.state, found.result, found.error) == (OperationState.DONE, {"entries": 5}, None)
    assert found.ended_at is not None


async def test_a_refusal_is_its_problem(operations: Operations) -> None:
    async def work(_: Handle) -> None:
        raise Conflict("cannot do that: no")

    found = await ended(operations, operations.begin("bench", "acme", work))
    assert found.state is OperationState.FAILED
    assert found.error is not None
    assert (found.error["kind"], found.error["detail"]) == ("conflict", "cannot do that: no")


async def test_a_bug_is_told_without_its_text_and_logged_with_it(operations: Operations) -> None:
    logged: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: logged.append(context))

    async def work(_: Handle) -> None:
        raise ZeroDivisionError("a secret")

    found = await ended(operations, operations.begin("bench", "acme", work))
    assert found.state is OperationState.FAILED
    assert found.error is not None
    assert found.error["kind"] == "internal"
    assert "a secret" not in str(found.error)
    await asyncio.sleep(0)
    gc.collect()
    assert [type(context["exception"]) for context in logged] == [ZeroDivisionError]


async def test_who_cancels_one_takes_back_what_it_set_in_motion(operations: Operations) -> None:
    taken_back: list[bool] = []
    operation = operations.begin("start", "acme", forever, lambda: taken_back.append(True))
    assert (await operations.cancel(operation.id)).state is OperationState.CANCELLED
    assert taken_back == [True]


async def test_one_that_is_cancelled_before_it_began_ends_too(operations: Operations) -> None:
    operation = operations.begin("start", "acme", forever)
    operations.cancel_soon(operation.id)
    assert (await ended(operations, operation)).state is OperationState.CANCELLED


async def test_they_end_with_their_daemon(operations: Operations, db: StateDb) -> None:
    operation = operations.begin("start", "acme", forever)
    await operations.close()
    assert operations.get(operation.id).state is OperationState.INTERRUPTED
    assert Operations(db).get(operation.id).state is OperationState.INTERRUPTED


async def test_those_of_a_killed_daemon_are_interrupted(operations: Operations, db: StateDb) -> None:
    operation = operations.begin("start", "acme", forever)
    found = Operations(db).get(operation.id)
    assert found.state is OperationState.INTERRUPTED
    assert found.ended_at is not None
    await operations.close()


async def test_a_tenant_has_so_many_at_a_time(operations: Operations) -> None:
    for _ in range(MAX_RUNNING):
        operations.begin("start", "acme", forever)
    with pytest.raises(QueueFull, match=f"cannot start acme: {MAX_RUNNING} operations"):
        operations.begin("start", "acme", forever)
    operations.begin("start", "other", forever)
    await operations.end_all_of("acme")
    operations.begin("start", "acme", forever)
    await operations.close()


async def test_one_that_never_was_is_unknown(operations: Operations) -> None:
    with pytest.raises(UnknownOperation, match="cannot find operation d-none"):
        operations.get("d-none")
