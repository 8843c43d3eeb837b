"""Text that comes from the command line or a file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from daemon.core.errors import Invalid

if TYPE_CHECKING:
    from daemon.core.wire import Metadata, NewEntry

STDIN = "-"


def read_bytes(path: str) -> bytes:
    """A file, or standard input for "-"; raises Invalid."""
    if path == STDIN:
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise Invalid(
            f"cannot read {path}: {error.strerror}", field="file", value=path, allowed="a readable file"
        ) from None


def read_lines(path: str) -> dict[int, str]:
    """The lines of a UTF-8 file that are not blank, by number; CRLF and a byte order mark are nobody's text."""
    raw = read_bytes(path)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = raw[: error.start].count(b"\n") + 1
        raise Invalid(
            f"cannot read {path}: line {number} is not UTF-8; convert it, for example with iconv",
            field="file", value=path, allowed="UTF-8 text",
        ) from None  # fmt: skip
    return {number: line.removesuffix("\r") for number, line in enumerate(text.split("\n"), 1) if line.strip()}


def checked(text: str) -> str:
    """A text from the command line; raises Invalid when its bytes were not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Invalid(
            "cannot use the text: it is not UTF-8; check the terminal's encoding",
            field="text", value=ascii(text)[:60], allowed="UTF-8 text",
        ) from None  # fmt: skip
    return text


def new_entries(texts: list[str], metadata: Metadata) -> list[NewEntry]:
    from daemon.core.wire import NewEntry

    return [NewEntry(text=checked(text), metadata=metadata) for text in texts]


def metadata(pairs: list[str] | None) -> Metadata:
    """KEY=VALUE pairs; a value that is a JSON number, true, false or null is that, any other a string."""
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
