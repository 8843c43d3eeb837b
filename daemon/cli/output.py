"""The output of commands.

Texts that tenants typed are data: no escape sequence and no markup of theirs reaches a terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from daemon.core.files import plain_json
from daemon.core.unsafe_text import escape, escape_json

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console

WIDE = 100_000  # columns of an output that is no terminal: nothing is folded or cut


def clean(value: object) -> str:
    """Return the value as one line that is safe on a terminal: unsafe characters are written out, such as \\x1b."""
    return escape(str(value))


def line(text: str) -> None:
    """Print one line for people; a tenant's text in it has gone through `clean`."""
    print(text)


def note(text: str) -> None:
    """Print a remark beside the output, on standard error."""
    print(f"vecward: {clean(text)}", file=sys.stderr, flush=True)


def warn(warnings: Mapping[str, str]) -> None:
    """Show the warnings that came with an answer, on standard error."""
    for words in warnings.values():
        note(words)


def complain(kind: str, message: str) -> None:
    """Print an error with its kind, on standard error."""
    note(f"{kind}: {message}")


def fail(kind: str, message: str) -> NoReturn:
    """Print an error, and end the command with exit code 1."""
    complain(kind, message)
    raise typer.Exit(1)


def print_json(value: BaseModel | dict[str, Any]) -> None:
    """Print one JSON document in UTF-8 and a line end; of a model just what the daemon sent."""
    if isinstance(value, dict):
        text = plain_json.dumps(value)
    else:
        text = escape_json(value.model_dump_json(exclude_unset=True))
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace") + b"\n")
    sys.stdout.buffer.flush()


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[str] = ()) -> None:
    """Print rows under a head, aligned by display width; None is a dash, a column of empty texts is left out.

    `right`: the columns of numbers.
    """
    from rich.table import Table
    from rich.text import Text

    cells = [["–" if cell is None else clean(cell) for cell in row] for row in rows]
    shown = [at for at in range(len(columns)) if not cells or any(row[at] for row in cells)]
    numbers = set(right)
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for at in shown:
        drawn.add_column(columns[at], justify="right" if columns[at] in numbers else "left", overflow="fold")
    for row in cells:
        drawn.add_row(*(Text(row[at]) for at in shown))
    printer = console()
    with printer.capture() as capture:
        printer.print(drawn)
    for text in capture.get().splitlines():
        print(text.rstrip())


def console(*, stderr: bool = False) -> Console:
    """Make rich's console, which takes no text for markup; without a terminal lines are as long as they are."""
    from rich.console import Console

    width = None if (sys.stderr if stderr else sys.stdout).isatty() else WIDE
    return Console(stderr=stderr, width=width, highlight=False, markup=False, emoji=False)


def metadata_words(metadata: Mapping[str, object]) -> str:
    """Return an entry's metadata as key=value."""
    return " ".join(f"{clean(key)}={clean(value)}" for key, value in metadata.items())


def duration(seconds: float | None) -> str | None:
    """Return a time for people with the digits that matter: 1.2 s, 3 min, 5 h, 2 d."""
    if seconds is None:
        return None
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s"


def confirm(question: str) -> None:
    """Ask on the terminal, and end the command unless the answer is yes; without a terminal it is a usage error."""
    if not sys.stdin.isatty():
        raise typer.BadParameter("cannot ask here: standard input is no terminal; say --yes", param_hint="--yes")
    if not typer.confirm(question, err=True):
        note("nothing was changed")
        raise typer.Exit(1)
