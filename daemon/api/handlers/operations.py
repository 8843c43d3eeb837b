"""The daemon's own operations, `d-…`; an encoder's `e-…` are relayed."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from daemon.api.context import C, Call, S, Services
from daemon.core.errors import UnknownOperation
from daemon.core.wire import Operation, OperationAnswer, shorten

MAX_WAIT_S = 600.0


def _own(services: Services, call: Call, number: str) -> str:
    """The id of an operation on this tenant; another tenant's answers as one that never was."""
    found = _find(services, f"d-{number}")
    if found is None or found.tenant != call.tenant:
        raise UnknownOperation(
            f"cannot find operation d-{shorten(number, 40)} of tenant {call.tenant}: "
            "it never was, or ended over a week ago"
        )
    return found.id


def _find(services: Services, operation_id: str) -> Operation | None:
    try:
        return services.manager.operations.get(operation_id)
    except UnknownOperation:
        return None


async def operation(services: S, call: C, operation: str) -> OperationAnswer:
    return OperationAnswer(operation=services.manager.operations.get(_own(services, call, operation)))


async def wait_operation(
    services: S,
    call: C,
    operation: str,
    timeout: Annotated[float, Query(ge=0, le=MAX_WAIT_S)] = 30.0,  # noqa: ASYNC109
) -> OperationAnswer:
    """Answers when it has ended, or as it is after `timeout` seconds."""
    found = _own(services, call, operation)
    await services.streams.unless_ending(services.manager.operations.wait(found, timeout))
    return OperationAnswer(operation=services.manager.operations.get(found))


async def cancel_operation(services: S, call: C, operation: str) -> OperationAnswer:
    cancelled = await services.manager.operations.cancel(_own(services, call, operation))
    return OperationAnswer(operation=cancelled)


HANDLERS = (operation, wait_operation, cancel_operation)
