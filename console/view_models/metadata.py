"""Metadata as lines of `name: value`."""

from __future__ import annotations

import json

from daemon.core import wire


class BadMetadata(ValueError):
    """A line that is not `name: value`; `line` is its number in the field, from 1."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line} is not name: value")
        self.line = line


def scalar_text(value: wire.Scalar) -> str:
    """Write a metadata value as people read it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def metadata_text(metadata: wire.Metadata) -> str:
    """Write one `name: value` a line; `metadata_of` reads it back as it was."""
    return "\n".join(f"{key}: {_writable(value)}" for key, value in metadata.items())


def _writable(value: wire.Scalar) -> str:
    """Write one value; text that would be read back as something else is put into quotes."""
    if isinstance(value, str) and value == value.strip() and "\n" not in value and _value(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def metadata_of(text: str) -> wire.Metadata:
    """Read metadata: a value is JSON where it can be, else text; BadMetadata names a line that is neither."""
    found: wire.Metadata = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        name, colon, value = line.replace("：", ":", 1).partition(":") if ":" not in line else line.partition(":")
        if not colon or not name.strip():
            raise BadMetadata(number)
        found[name.strip()] = _value(value.strip())
    return found


def _value(text: str) -> wire.Scalar:
    try:
        value = json.loads(text, parse_constant=str)
    except ValueError:
        return text
    return value if isinstance(value, str | int | float | bool) or value is None else text
