"""The commands `vecward daemon` and `vecward console`: one part in the foreground, in this process."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from daemon.cli.settings import Json, settings

Port = Annotated[
    int | None, typer.Option(min=1, max=65535, help="The console's port; default: daemon.yaml's, else 7860.")
]


def command_line(module: str, root: Path | None, *more: str) -> list[str]:
    """Return the command that runs a part; -P keeps a folder `daemon` in the current directory from being imported."""
    where = [] if root is None else ["--root", str(root)]
    return [sys.executable, "-P", "-m", module, *where, *more]


def daemon(ctx: typer.Context, as_json: Json = False) -> None:  # noqa: ARG001 (it logs JSON lines either way)
    """Run the daemon in the foreground."""
    _become(command_line("daemon", settings(ctx).root))


def console(ctx: typer.Context, port: Port = None, as_json: Json = False) -> None:  # noqa: ARG001
    """Run the console in the foreground."""
    _become(command_line("console", settings(ctx).root, *port_option(port)))


def port_option(port: int | None) -> list[str]:
    return [] if port is None else ["--port", str(port)]


def _become(command: list[str]) -> None:
    """Replace this process, so that its memory holds no command line parser and signals need no relay."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(command[0], command)  # noqa: S606 (our own interpreter and module)
