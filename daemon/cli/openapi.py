"""The command `vecward openapi`."""

from __future__ import annotations

import typer

from daemon.cli.output import print_json
from daemon.cli.settings import Json, settings


def openapi(ctx: typer.Context, as_json: Json = False) -> None:  # noqa: ARG001 (it is JSON either way)
    """Print the description of the HTTP API, OpenAPI 3.1."""
    with settings(ctx).client() as client:
        print_json(client.openapi().model_dump(mode="json"))
