"""`vecward entries export`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from daemon.cli.files import write_whole
from daemon.cli.output import clean, line
from daemon.cli.settings import Json, TenantName, settings


class Format(StrEnum):
    TXT = "txt"
    CSV = "csv"
    JSONL = "jsonl"


def export(
    ctx: typer.Context,
    tenant: TenantName,
    chosen: Annotated[Format | None, typer.Option("--format", help="Default: the file's suffix, else txt.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Default: stdout.")] = None,
    as_json: Json = False,
) -> None:
    """Write all entries as text (one a line), CSV or JSON lines; --json is --format jsonl."""
    format = Format.JSONL if as_json else chosen or _by_suffix(output)
    with settings(ctx).client() as client:
        chunks = client.export(tenant, format.value)
        if output is not None:
            write_whole(output, chunks)
        elif sys.stdout.isatty():
            _to_terminal(chunks)
        else:
            for chunk in chunks:
                sys.stdout.buffer.write(chunk)


def _by_suffix(output: Path | None) -> Format:
    suffix = "" if output is None else output.suffix.removeprefix(".").lower()
    return Format(suffix) if suffix in set(Format) else Format.TXT


def _to_terminal(chunks: Iterable[bytes]) -> None:
    for text in b"".join(chunks).decode("utf-8", "backslashreplace").splitlines():
        line(clean(text))
