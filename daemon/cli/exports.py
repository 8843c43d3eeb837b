"""`vecward entries export`."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from daemon.cli.output import clean, line
from daemon.cli.settings import Json, TenantName, settings
from daemon.core.errors import Invalid


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
            _to_file(output, chunks)
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


def _to_file(output: Path, chunks: Iterable[bytes]) -> None:
    """Replaces the file in one step: an export that breaks off leaves the older one."""
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{output.name}.", dir=output.parent)
    except OSError as error:
        raise Invalid(
            f"cannot write {output}: {error.strerror}", field="output", value=str(output), allowed="a writable folder"
        ) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(chunks)
        Path(temporary).replace(output)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
