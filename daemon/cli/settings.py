"""The place of the installation, and the options that have one meaning in every command."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.core.paths import Paths

if TYPE_CHECKING:
    from daemon.client import Client

Json = Annotated[bool, typer.Option("--json", help="Print JSON, the API's own shape, on standard output.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait until it is done.")]
IfMatch = Annotated[int | None, typer.Option(metavar="REVISION", help="Only if the base still has this revision.")]
TenantName = Annotated[str, typer.Argument(metavar="TENANT", help="The tenant's name.", show_default=False)]


@dataclass(frozen=True)
class Settings:
    """The global options `--root` and `--socket`."""

    root: Path | None = None
    socket: Path | None = None

    @property
    def paths(self) -> Paths:
        return Paths.choose(self.root)

    @property
    def daemon_socket(self) -> Path:
        return self.socket or self.paths.daemon_socket

    def client(self) -> Client:
        """Make a client, which the caller closes; it dials when it is first used."""
        from daemon.client import Client

        return Client(self.daemon_socket)


def settings(ctx: typer.Context) -> Settings:
    found = ctx.obj
    return found if isinstance(found, Settings) else Settings()
