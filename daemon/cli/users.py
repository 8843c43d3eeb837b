"""The commands `vecward user …`: console users. They edit users.yaml themselves, so they need no daemon."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from daemon.cli.output import clean, line, print_json
from daemon.cli.settings import Json, settings

app = typer.Typer(name="user", help="Console users: add, passwd, remove, list.", no_args_is_help=True)

UserName = Annotated[str, typer.Argument(metavar="NAME", help="The user's name.", show_default=False)]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


@app.command()
def add(ctx: typer.Context, name: UserName, password_stdin: FromStdin = False, as_json: Json = False) -> None:
    """Add a user; asks for the password twice."""
    from daemon.core.config import users

    users.add(settings(ctx).paths.users_yaml, name, _password(password_stdin))
    _done(name, "added", as_json)


@app.command()
def passwd(ctx: typer.Context, name: UserName, password_stdin: FromStdin = False, as_json: Json = False) -> None:
    """Give a user another password; ends the user's sessions."""
    from daemon.core.config import users

    users.set_password(settings(ctx).paths.users_yaml, name, _password(password_stdin))
    _done(name, "changed", as_json)


@app.command()
def remove(ctx: typer.Context, name: UserName, as_json: Json = False) -> None:
    """Remove a user; ends the user's sessions."""
    from daemon.core.config import users

    users.remove(settings(ctx).paths.users_yaml, name)
    _done(name, "removed", as_json)


@app.command("list")
def list_users(ctx: typer.Context, as_json: Json = False) -> None:
    """List the users, without their hashes."""
    from daemon.core.config import users

    names = sorted(users.load(settings(ctx).paths.users_yaml))
    if as_json:
        print_json({"users": names})
        return
    for name in names:
        line(clean(name))


def _password(from_stdin: bool) -> str:
    """Read the password, without its line end; `daemon/core/config/passwords.py` checks it."""
    from daemon.core.config.passwords import MIN_PASSWORD_CHARS

    if from_stdin:
        return sys.stdin.buffer.read().decode("utf-8", "surrogateescape").removesuffix("\n").removesuffix("\r")
    if not sys.stdin.isatty():
        raise typer.BadParameter(
            "cannot ask here: standard input is no terminal; say --password-stdin", param_hint="--password-stdin"
        )
    words = f"Password (at least {MIN_PASSWORD_CHARS} characters)"
    return str(typer.prompt(words, hide_input=True, confirmation_prompt="The same again", err=True))


def _done(name: str, what: str, as_json: bool) -> None:
    if as_json:
        print_json({"user": name, "done": what})
    else:
        line(f"user {clean(name)}: {what}")
