"""Waiting for an operation, and what its end means for the exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.cli.output import fail

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.client import Client
    from daemon.core.wire import Operation

LONG_POLL_S = 30.0


def wait(
    client: Client,
    tenant: str,
    operation: Operation,
    *,
    poll_s: float = LONG_POLL_S,
    seen: Callable[[Operation], None] | None = None,
) -> Operation:
    """The operation when it has ended; `seen` is called with it every `poll_s` seconds at least."""
    from daemon.core.wire import OperationState

    while operation.state is OperationState.RUNNING:
        operation = client.wait(tenant, operation.id, poll_s)
        if seen is not None:
            seen(operation)
    return operation


def must_be_done(tenant: str, operation: Operation) -> None:
    """Ends the command with exit code 1 unless the operation is done."""
    from daemon.core.http.problems import from_problem
    from daemon.core.wire import OperationState

    if operation.state is OperationState.DONE:
        return
    if operation.error:
        raise from_problem(operation.error)
    fail(f"operation-{operation.state}", f"cannot finish {operation.kind} of {tenant}: it was {operation.state}")
