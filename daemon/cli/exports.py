"""The command `vecward entries export`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from daemon.cli.files import write_whole
from daemon.cli.output import clean, line
from daemon.cli.settings import Json, TenantName, settings
from daemon.core import formats
from daemon.core.formats import FormatName

_FORMAT_HELP = f"{formats.described('writes')} Default: by the suffix of FILE, else {formats.DEFAULT.name}."


def export(
    ctx: typer.Context,
    tenant: TenantName,
    chosen: Annotated[FormatName | None, typer.Option("--format", help=_FORMAT_HELP)] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Default: stdout.")] = None,
    as_json: Json = False,
) -> None:
    """Write all entries to a file; --json is --format jsonl."""
    by_suffix = formats.of_file(str(output or "")) or formats.DEFAULT
    name = formats.JSONL.name if as_json else chosen or by_suffix.name
    with settings(ctx).client() as client:
        chunks = client.export(tenant, name)
        if output is not None:
            write_whole(output, chunks)
        elif sys.stdout.isatty():
            _to_terminal(chunks)
        else:
            for chunk in chunks:
                sys.stdout.buffer.write(chunk)


def _to_terminal(chunks: Iterable[bytes]) -> None:
    for text in b"".join(chunks).decode("utf-8", "backslashreplace").splitlines():
        line(clean(text))
