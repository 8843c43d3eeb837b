"""`vecward backup`, `vecward restore` and `vecward entries recover`: the knowledge base as a whole."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from daemon.cli import operations
from daemon.cli.backup_file import check
from daemon.cli.files import write_whole
from daemon.cli.lifecycle import NoWait
from daemon.cli.output import clean, line, note, print_json
from daemon.cli.settings import Json, TenantName, settings
from daemon.cli.texts import STDIN
from daemon.core.errors import Invalid

if TYPE_CHECKING:
    from daemon.client import Client
    from daemon.core.wire import BackupManifest, Operation

_DRAW_EVERY_S = 2.0


def backup(
    ctx: typer.Context,
    tenant: TenantName,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Where to, or - for stdout.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Copy a tenant's knowledge base into one file, while it serves; the file is checked before it gets its name."""
    if file == STDIN and sys.stdout.isatty():
        raise typer.BadParameter("a backup is nothing for a terminal; name a file, or send it on", param_hint="FILE")
    with settings(ctx).client() as client:
        if file == STDIN:
            for chunk in client.backup(tenant):
                sys.stdout.buffer.write(chunk)
            return
        _save(Path(file), client.backup(tenant), as_json)


def _save(file: Path, chunks: Iterator[bytes], as_json: bool) -> None:
    checked: list[BackupManifest] = []
    write_whole(file, chunks, lambda path: checked.append(check(path)))
    manifest = checked[0]
    if as_json:
        print_json(manifest)
        return
    size = f"{manifest.database.bytes / 1e6:.1f} MB"
    line(f"{clean(file)}: {clean(manifest.tenant)}, {manifest.entries} entries, revision {manifest.revision}, {size}")


def restore(
    ctx: typer.Context,
    tenant: TenantName,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A backup, or - for stdin.", show_default=False)],
    source: Annotated[
        str | None, typer.Option("--from", metavar="OTHER", help="The tenant that the backup is of, if another one.")
    ] = None,
    if_match: Annotated[int | None, typer.Option(metavar="REVISION", help="Only if the base has it.")] = None,
    no_wait: NoWait = False,
    as_json: Json = False,
) -> None:
    """Put a backup in the place of a tenant's knowledge base, while it serves; what came after the backup is gone."""
    with settings(ctx).client() as client, _opened(file) as opened:
        operation = client.restore(tenant, opened, source, if_match)
        operation = _follow(client, tenant, operation, no_wait)
    _report(tenant, operation, no_wait, as_json, _restored)


def recover(
    ctx: typer.Context,
    tenant: TenantName,
    to: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write what is readable as a backup; change nothing.")
    ] = None,
    no_wait: NoWait = False,
    as_json: Json = False,
) -> None:
    """Salvage a damaged knowledge base of a tenant that does not run; the damaged file is kept beside it."""
    with settings(ctx).client() as client:
        if to is not None:
            _save(to, client.salvage(tenant), as_json)
            return
        operation = _follow(client, tenant, client.recover(tenant), no_wait)
    _report(tenant, operation, no_wait, as_json, _recovered)


@contextlib.contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    if file == STDIN:
        yield sys.stdin.buffer
        return
    with contextlib.ExitStack() as stack:
        try:
            opened = stack.enter_context(Path(file).open("rb"))
        except OSError as error:
            raise Invalid(
                f"cannot read {file}: {error.strerror}", field="file", value=file, allowed="a readable file"
            ) from None
        yield opened


def _follow(client: Client, tenant: str, operation: Operation, no_wait: bool) -> Operation:
    if no_wait:
        return operation
    try:
        return operations.wait(client, tenant, operation, poll_s=_DRAW_EVERY_S, seen=_tell)
    except KeyboardInterrupt:
        note(f"{operation.kind} of {tenant} goes on as operation {operation.id}; nobody waits for it any more")
        raise


def _tell(operation: Operation) -> None:
    progress = operation.progress
    if progress is not None and operation.ended_at is None and sys.stderr.isatty():
        of = "" if progress.total is None else f" of {progress.total}"
        note(f"{operation.kind}: {progress.done}{of} {progress.unit}")


def _report(
    tenant: str, operation: Operation, no_wait: bool, as_json: bool, words: Callable[[str, dict[str, Any]], str]
) -> None:
    from daemon.core.wire import OperationAnswer

    if as_json:
        print_json(OperationAnswer(operation=operation))
    if no_wait:
        if not as_json:
            line(f"{operation.kind} runs as operation {operation.id}")
        return
    operations.must_be_done(tenant, operation)
    if not as_json:
        line(words(clean(tenant), operation.result or {}))


def _restored(tenant: str, result: dict[str, Any]) -> str:
    return (
        f"{tenant}: restored {result.get('entries')} entries in the place of {result.get('replaced')}; "
        f"revision {result.get('revision')}"
    )


def _recovered(tenant: str, result: dict[str, Any]) -> str:
    expected = result.get("expected")
    of = "" if expected is None else f" of {expected}"
    return (
        f"{tenant}: recovered {result.get('entries')}{of} entries, {result.get('vectors')} with their vectors; "
        f"the damaged file is kept as {clean(result.get('kept'))}. Start it with: vecward start {tenant}"
    )
