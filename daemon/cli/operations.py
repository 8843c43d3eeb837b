"""Operations: waiting for one, showing it, and the exit code that its end means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from daemon.cli.output import complain, fail, note, print_json
from daemon.core.errors import VecwardError

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.client import Client
    from daemon.core.wire import Operation

    Seen = Callable[[Operation], None]

INTERRUPTED = 130  # the exit code of a command ended by Ctrl-C, as shells have it
LONG_POLL_S = 30.0


def wait(
    client: Client, tenant: str, operation: Operation, *, poll_s: float = LONG_POLL_S, seen: Seen | None = None
) -> Operation:
    """Return the operation when it has ended; `seen` is called with it every `poll_s` seconds at least."""
    from daemon.core.wire import OperationState

    while operation.state is OperationState.RUNNING:
        operation = client.wait(tenant, operation.id, poll_s)
        if seen is not None:
            seen(operation)
    return operation


def wait_or_leave(
    client: Client, tenant: str, operation: Operation, *, poll_s: float = LONG_POLL_S, seen: Seen | None = None
) -> Operation:
    """Wait for the operation; Ctrl-C ends the waiting, while the operation goes on."""
    try:
        return wait(client, tenant, operation, poll_s=poll_s, seen=seen)
    except KeyboardInterrupt:
        note(f"{operation.kind} of {tenant} goes on as operation {operation.id}; nobody waits for it any more")
        raise


def cancel(client: Client, tenant: str, operation: Operation) -> Operation:
    """Cancel the operation after Ctrl-C; where that fails the command ends, and says that it goes on."""
    try:
        return client.cancel(tenant, operation.id)
    except VecwardError as error:
        words = f"cannot cancel the {operation.kind}, it goes on as operation {operation.id}: {error.message}"
        complain(error.kind, words)
        raise typer.Exit(INTERRUPTED) from None


def print_operation(operation: Operation) -> None:
    """Print the operation as JSON, as the API answers it."""
    from daemon.core.wire import OperationAnswer

    print_json(OperationAnswer(operation=operation))


def must_be_done(tenant: str, operation: Operation) -> None:
    """End the command with exit code 1 unless the operation is done."""
    from daemon.core.http.problems import from_problem
    from daemon.core.wire import OperationState

    if operation.state is OperationState.DONE:
        return
    if operation.error:
        raise from_problem(operation.error)
    fail(f"operation-{operation.state}", f"cannot finish {operation.kind} of {tenant}: it was {operation.state}")
