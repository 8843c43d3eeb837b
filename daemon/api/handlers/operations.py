"""Handlers of the daemon's own operations, `d-…`; an encoder's `e-…` are relayed."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from daemon.api.context import ApiServices, Call, CallDep, ServicesDep
from daemon.core.errors import UnknownOperation
from daemon.core.wire import Operation, OperationAnswer, shorten

MAX_WAIT_S = 600.0


def _id_of(services: ApiServices, call: Call, number: str) -> str:
    """Return the id of an operation on this tenant; another tenant's is refused as one that never was."""
    found = _find(services, f"d-{number}")
    if found is None or found.tenant != call.tenant:
        raise UnknownOperation(
            f"cannot find operation d-{shorten(number, 40)} of tenant {call.tenant}: "
            "it never was, or ended over a week ago"
        )
    return found.id


def _find(services: ApiServices, operation_id: str) -> Operation | None:
    try:
        return services.manager.operations.get(operation_id)
    except UnknownOperation:
        return None


async def operation(services: ServicesDep, call: CallDep, operation: str) -> OperationAnswer:
    return OperationAnswer(operation=services.manager.operations.get(_id_of(services, call, operation)))


async def wait_operation(
    services: ServicesDep,
    call: CallDep,
    operation: str,
    timeout: Annotated[float, Query(ge=0, le=MAX_WAIT_S)] = 30.0,  # noqa: ASYNC109
) -> OperationAnswer:
    """Answer when the operation has ended, or as it is after `timeout` seconds."""
    found = _id_of(services, call, operation)
    await services.streams.unless_ending(services.manager.operations.wait(found, timeout))
    return OperationAnswer(operation=services.manager.operations.get(found))


async def cancel_operation(services: ServicesDep, call: CallDep, operation: str) -> OperationAnswer:
    cancelled = await services.manager.operations.cancel(_id_of(services, call, operation))
    return OperationAnswer(operation=cancelled)
