"""The commands `vecward backup`, `restore` and `entries recover`: the knowledge base as a whole."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli import operations
from daemon.cli.backup_file import check
from daemon.cli.files import write_whole
from daemon.cli.output import clean, line, note, print_json
from daemon.cli.settings import IfMatch, Json, NoWait, TenantName, settings
from daemon.cli.texts import STDIN, opened
from daemon.core.units import counted

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
    entries = counted(manifest.entries, "entry", "entries")
    line(f"{clean(file)}: {clean(manifest.tenant)}, {entries}, revision {manifest.revision}, {size}")


def restore(
    ctx: typer.Context,
    tenant: TenantName,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A backup, or - for stdin.", show_default=False)],
    source: Annotated[
        str | None, typer.Option("--from", metavar="OTHER", help="The tenant that the backup is of, if another one.")
    ] = None,
    if_match: IfMatch = None,
    no_wait: NoWait = False,
    as_json: Json = False,
) -> None:
    """Put a backup in the place of a tenant's knowledge base, while it serves; what came after the backup is gone."""
    with settings(ctx).client() as client, opened(file) as backup_file:
        operation = client.restore(tenant, backup_file, source, if_match)
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


def _follow(client: Client, tenant: str, operation: Operation, no_wait: bool) -> Operation:
    if no_wait:
        return operation
    return operations.wait_or_leave(client, tenant, operation, poll_s=_DRAW_EVERY_S, seen=_show_progress)


def _show_progress(operation: Operation) -> None:
    progress = operation.progress
    if progress is not None and operation.ended_at is None and sys.stderr.isatty():
        of = "" if progress.total is None else f" of {progress.total}"
        note(f"{operation.kind}: {progress.done}{of} {progress.unit}")


def _report(
    tenant: str, operation: Operation, no_wait: bool, as_json: bool, words: Callable[[str, dict[str, Any]], str]
) -> None:
    if as_json:
        operations.print_operation(operation)
    if no_wait:
        if not as_json:
            line(f"{operation.kind} runs as operation {operation.id}")
        return
    operations.must_be_done(tenant, operation)
    if not as_json:
        line(words(clean(tenant), operation.result or {}))


def _restored(tenant: str, result: dict[str, Any]) -> str:
    entries = counted(result.get("entries", 0), "entry", "entries")
    return f"{tenant}: restored {entries} in the place of {result.get('replaced')}; revision {result.get('revision')}"


def _recovered(tenant: str, result: dict[str, Any]) -> str:
    """Return how many entries came back of those that the base had, where that is known."""
    expected, entries = result.get("expected"), result.get("entries", 0)
    whole = counted(entries if expected is None else expected, "entry", "entries")
    found = whole if expected is None else f"{entries} of {whole}"
    return (
        f"{tenant}: recovered {found}, {result.get('vectors')} with their vectors; the damaged file is kept as "
        f"{clean(result.get('kept'))}. Start it with: vecward start {tenant}"
    )
