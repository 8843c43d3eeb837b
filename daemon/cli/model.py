"""The commands `vecward model …`: bring a tenant's model to this host, and check that it is whole, without a daemon."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.output import clean, line, print_json
from daemon.cli.settings import Json, TenantName, settings
from daemon.core.units import counted

if TYPE_CHECKING:
    from daemon.core.encoder_protocol.model import Verified

app = typer.Typer(name="model", help="Models: fetch, verify.", no_args_is_help=True)


@app.command()
def fetch(
    ctx: typer.Context,
    tenant: TenantName,
    source: Annotated[
        Path | None, typer.Option("--from", metavar="FOLDER", help="Copy from this folder, not from the hub.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Bring the model that the tenant's file names into the tenant's own folder."""
    from daemon.cli import model_jobs

    found = model_jobs.fetch(settings(ctx).paths, tenant, source.resolve() if source else None)
    if as_json:
        print_json(found.model_dump(exclude={"type"}))
        return
    commit = f" at {clean(found.commit)}" if found.commit else ""
    done = "fetched" if found.changed else "is there already"
    line(f"{clean(found.model)}{commit}: {done}, {_files(found.files, found.bytes)}")
    line(f"in {clean(found.folder)}")
    if found.changed:
        line(f"`vecward start {tenant}` uses it from the next start on")


@app.command()
def verify(
    ctx: typer.Context,
    tenant: TenantName,
    files_only: Annotated[bool, typer.Option("--files-only", help="Compare the files, load no model.")] = False,
    as_json: Json = False,
) -> None:
    """Compare the tenant's model with its checksums, and encode a text on the CPU; exit code 1 on a problem."""
    from daemon.cli import model_jobs

    found = model_jobs.verify(settings(ctx).paths, tenant, files_only=files_only)
    if as_json:
        tried = () if found.fingerprint is not None else ("dimension", "fingerprint", "encode_ms")
        print_json(found.model_dump(exclude={"type", *tried}))
    else:
        _show(found)
    if found.problems:
        raise typer.Exit(1)


def _show(found: Verified) -> None:
    line(f"{clean(found.model)} in {clean(found.folder)}: {_files(found.files, found.bytes)}")
    if not found.manifest:
        line("no manifest: it was not brought by `vecward model fetch`, so there are no checksums to compare")
    for problem in found.problems:
        line(f"problem: {clean(problem)}")
    if found.fingerprint is not None:
        line(f"a text encoded in {found.encode_ms} ms on the CPU, {found.dimension} dimensions")
        line(f"fingerprint: {clean(found.fingerprint)}")
    if not found.problems:
        line("good")


def _files(number: int, size: int) -> str:
    words = f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
    return f"{counted(number, 'file')}, {words}"
