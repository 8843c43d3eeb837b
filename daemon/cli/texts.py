"""Texts that come from the command line or a file."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import typer

from daemon.core.errors import Invalid

if TYPE_CHECKING:
    from daemon.core.wire import Metadata, NewEntry

STDIN = "-"


@contextlib.contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """Open a file, or standard input for "-"; raises Invalid where it can't be read."""
    if path == STDIN:
        yield sys.stdin.buffer
        return
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(Path(path).open("rb"))
        except OSError as error:
            message = f"cannot read {path}: {error.strerror}"
            raise Invalid(message, field="file", value=path, allowed="a readable file") from None
        yield file


def read_bytes(path: str) -> bytes:
    """Read a file, or standard input for "-"; raises Invalid."""
    with opened(path) as file:
        return file.read()


def read_lines(path: str) -> dict[int, str]:
    """Read the lines of a UTF-8 file that are not blank, by number, without line ends and byte order mark."""
    raw = read_bytes(path)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = raw[: error.start].count(b"\n") + 1
        raise Invalid(
            f"cannot read {path}: line {number} is not UTF-8; convert it, for example with iconv",
            field="file",
            value=path,
            allowed="UTF-8 text",
        ) from None
    return {number: line.removesuffix("\r") for number, line in enumerate(text.split("\n"), 1) if line.strip()}


def checked(text: str) -> str:
    """Return a text from the command line; raises Invalid when its bytes were not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Invalid(
            "cannot use the text: it is not UTF-8; check the terminal's encoding",
            field="text",
            value=ascii(text)[:60],
            allowed="UTF-8 text",
        ) from None
    return text


def new_entries(texts: list[str], metadata: Metadata) -> list[NewEntry]:
    from daemon.core.wire import NewEntry

    return [NewEntry(text=checked(text), metadata=metadata) for text in texts]


def metadata(pairs: list[str] | None) -> Metadata:
    """Read KEY=VALUE pairs; a value that is a JSON number, true, false or null is that, any other a string."""
    found: Metadata = {}
    for pair in pairs or []:
        key, equals, value = checked(pair).partition("=")
        if not (key and equals):
            raise typer.BadParameter(f"{pair!r} is not KEY=VALUE")
        found[key] = _scalar(value)
    return found


def _scalar(text: str) -> str | int | float | bool | None:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(value, str | dict | list) else value
