"""`vecward entries import`: an operation with a progress bar on the terminal, cancelled by Ctrl-C."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli import operations, texts
from daemon.cli.output import complain, console, line, note, print_json
from daemon.cli.settings import Json, TenantName, settings
from daemon.core import formats
from daemon.core.errors import VecwardError
from daemon.core.formats import FormatName

if TYPE_CHECKING:
    from daemon.client import Client
    from daemon.core.wire import Operation

_DRAW_EVERY_S = 1.0  # an encoder's long polls take whole seconds
_INTERRUPTED = 130
_FORMAT_HELP = f"{formats.described('reads')} Default: by the suffix of FILE, else {formats.DEFAULT.name}."


class Mode(StrEnum):
    ADD = "add"
    SET = "set"


def import_file(
    ctx: typer.Context,
    tenant: TenantName,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A file, or - for standard input.", show_default=False)],
    chosen: Annotated[FormatName | None, typer.Option("--format", help=_FORMAT_HELP)] = None,
    mode: Annotated[Mode, typer.Option(help="add: keep what is there. set: the base becomes the file.")] = Mode.ADD,
    if_match: Annotated[int | None, typer.Option(metavar="REVISION", help="Only if the base has it.")] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait until it is done.")] = False,
    as_json: Json = False,
) -> None:
    """Import a file of entries."""
    by_suffix = formats.of_file(file) or formats.DEFAULT
    format = by_suffix if chosen is None else formats.named(chosen)
    data = texts.read_bytes(file)
    with settings(ctx).client() as client:
        operation = client.import_entries(tenant, data, format.media_type, mode.value, if_match)
        if not no_wait:
            operation = _wait(client, tenant, operation)
    if as_json:
        _print_json(operation)
    elif no_wait:
        line(f"import runs as operation {operation.id}")
    if not no_wait:
        _report(tenant, operation, as_json)


def _wait(client: Client, tenant: str, operation: Operation) -> Operation:
    try:
        if not sys.stderr.isatty():
            return operations.wait(client, tenant, operation)
        with _bar() as draw:
            return operations.wait(client, tenant, operation, poll_s=_DRAW_EVERY_S, seen=draw)
    except KeyboardInterrupt:
        _cancel(client, tenant, operation)
        raise typer.Exit(_INTERRUPTED) from None


def _cancel(client: Client, tenant: str, operation: Operation) -> None:
    try:
        left = client.cancel(tenant, operation.id)
    except VecwardError as error:
        complain(error.kind, f"cannot cancel the import, it goes on as operation {operation.id}: {error.message}")
        return
    done = f" after {left.progress.done} entries" if left.progress else ""
    note(f"the import was cancelled{done}; vecward entries list shows what is there")


@contextmanager
def _bar() -> Iterator[Callable[[Operation], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("importing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        task = progress.add_task("importing", total=None)

        def draw(operation: Operation) -> None:
            if operation.progress is not None:
                progress.update(task, completed=operation.progress.done, total=operation.progress.total)

        yield draw


def _print_json(operation: Operation) -> None:
    from daemon.core.wire import OperationAnswer

    print_json(OperationAnswer(operation=operation))


def _report(tenant: str, operation: Operation, as_json: bool) -> None:
    operations.must_be_done(tenant, operation)
    result: dict[str, Any] = operation.result or {}
    refused, total = result.get("refused", []), result.get("refused_total", 0)
    if not as_json:
        removed = f", removed {result['removed']}" if result.get("removed") else ""
        line(f"added {result.get('added', 0)}{removed}, refused {total}; revision {result.get('revision')}")
    if cut := result.get("cut"):
        note(f"{cut} texts are longer than the model reads (encoder.max_tokens): found by their beginning alone")
    for one in refused:
        complain(str(one.get("kind")), f"line {one.get('line')}: {one.get('reason')}")
    if total > len(refused):
        note(f"… and {total - len(refused)} more were refused")
    if total:
        raise typer.Exit(1)
