"""The command `vecward entries import`: a progress bar on the terminal, and Ctrl-C cancels the import."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli import operations, texts
from daemon.cli.output import complain, console, line, note
from daemon.cli.settings import IfMatch, Json, NoWait, TenantName, settings
from daemon.core import formats
from daemon.core.formats import FormatName
from daemon.core.units import counted

if TYPE_CHECKING:
    from daemon.client import Client
    from daemon.core.wire import Operation

_DRAW_EVERY_S = 1.0  # an encoder's long polls take whole seconds
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
    if_match: IfMatch = None,
    no_wait: NoWait = False,
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
        operations.print_operation(operation)
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
        raise typer.Exit(operations.INTERRUPTED) from None


def _cancel(client: Client, tenant: str, operation: Operation) -> None:
    left = operations.cancel(client, tenant, operation)
    done = f" after {counted(left.progress.done, 'entry', 'entries')}" if left.progress else ""
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


def _report(tenant: str, operation: Operation, as_json: bool) -> None:
    operations.must_be_done(tenant, operation)
    result: dict[str, Any] = operation.result or {}
    refused, total = result.get("refused", []), result.get("refused_total", 0)
    if not as_json:
        removed = f", removed {result['removed']}" if result.get("removed") else ""
        line(f"added {result.get('added', 0)}{removed}, refused {total}; revision {result.get('revision')}")
    if cut := result.get("cut"):
        what, whose = ("1 text is", "its") if cut == 1 else (f"{cut} texts are", "their")
        note(f"{what} longer than the model reads (encoder.max_tokens): found by {whose} beginning alone")
    for one in refused:
        complain(str(one.get("kind")), f"line {one.get('line')}: {one.get('reason')}")
    if total > len(refused):
        left = total - len(refused)
        note(f"… and {left} more {'was' if left == 1 else 'were'} refused")
    if total:
        raise typer.Exit(1)
