"""The list of commands, and the one place where errors become exit codes.

0 done, 1 refused or failed, 2 usage, 3 daemon not reachable; 130 ended by Ctrl-C, as shells have it.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from daemon.cli import (
    backups,
    bench,
    doctor,
    entries,
    events,
    exports,
    imports,
    lifecycle,
    logs,
    model,
    openapi,
    parts,
    search,
    status,
    tenants,
    up,
    usage,
    users,
    vector,
)
from daemon.cli.output import complain
from daemon.cli.settings import Settings
from daemon.core.errors import DaemonUnreachable, VecwardError
from daemon.core.paths import ROOT_VARIABLE

UNREACHABLE = 3

app = typer.Typer(
    name="vecward",
    help="Multi-tenant semantic search: one encoder process per tenant, nothing shared.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # loading rich takes longer than most commands
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _settings(
    ctx: typer.Context,
    root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help=f"Everything of one installation is below DIR (or ${ROOT_VARIABLE})."),
    ] = None,
    socket: Annotated[Path | None, typer.Option(metavar="PATH", help="The daemon's socket, if not DIR's own.")] = None,
) -> None:
    ctx.obj = Settings(root, socket)


# A command of its own is a function here; one of a group, such as `entries add`, is registered in the group's file.
_COMMANDS: tuple[Callable[..., None], ...] = (
    up.up,
    parts.daemon,
    parts.console,
    status.status,
    lifecycle.start,
    lifecycle.stop,
    lifecycle.restart,
    lifecycle.park,
    search.search,
    vector.vector,
    backups.backup,
    backups.restore,
    bench.bench,
    logs.logs,
    events.events,
    usage.usage,
    openapi.openapi,
    doctor.doctor,
)

for command in _COMMANDS:
    app.command()(command)
entries.app.command("import")(imports.import_file)
entries.app.command("export")(exports.export)
entries.app.command("recover")(backups.recover)
for group in (entries.app, tenants.app, users.app, model.app):
    app.add_typer(group)


def run() -> None:
    """Run the command in sys.argv and exit."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that is not UTF-8 still shows something
    try:
        app(prog_name="vecward")
    except DaemonUnreachable as error:
        complain(error.kind, error.message)
        sys.exit(UNREACHABLE)
    except VecwardError as error:
        complain(error.kind, error.message)
        sys.exit(1)
    except OSError as error:
        complain("system", f"cannot go on: {error}")
        sys.exit(1)
