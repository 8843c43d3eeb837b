"""The table of file formats that entries are imported from and exported to.

Everything that offers, accepts or documents a format reads it: API, client, command line, console. The encoder
reads and writes the files (`daemon/encoder/knowledge/entry_files.py`). So a new format is a row here, with its name in
`FormatName`, and a reader and a writer there. The command line reads this table before it loads pydantic, which is
why it does not stand in `daemon/core/wire`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import Final, Literal

FormatName = Literal["txt", "csv", "jsonl"]


@dataclass(frozen=True)
class Format:
    """One file format; its first suffix and its first media type are those that an export gets."""

    name: FormatName
    title: str
    suffixes: tuple[str, ...]
    media_types: tuple[str, ...]
    reads: str
    writes: str

    @property
    def media_type(self) -> str:
        return self.media_types[0]


TXT: Final = Format(
    name="txt",
    title="Text",
    suffixes=(".txt",),
    media_types=("text/plain",),
    reads="one entry a line, blank lines are skipped",
    writes="one entry a line, without metadata; line breaks inside a text become spaces",
)
CSV: Final = Format(
    name="csv",
    title="CSV",
    suffixes=(".csv",),
    media_types=("text/csv",),
    reads="a column text; other columns are metadata, typed by a suffix such as price:int",
    writes="a column text and one for each metadata key; a cell like a formula begins with '",
)
JSONL: Final = Format(
    name="jsonl",
    title="JSON Lines",
    suffixes=(".jsonl", ".ndjson"),
    media_types=("application/x-ndjson", "application/jsonl"),
    reads='{"text", "metadata"?} a line',
    writes="an object a line: id, text, metadata and times",
)

FORMATS: Final = (TXT, CSV, JSONL)
DEFAULT: Final = TXT
MEDIA_TYPES: Final = tuple(row.media_type for row in FORMATS)
SUFFIXES: Final = tuple(suffix for row in FORMATS for suffix in row.suffixes)


def named(name: FormatName) -> Format:
    """Return the format of a name that is known to be one."""
    return next(row for row in FORMATS if row.name == name)


def find(name: str) -> Format | None:
    """Return the format of this name, None for an unknown one."""
    return next((row for row in FORMATS if row.name == name), None)


def of_file(path: str) -> Format | None:
    """Return the format that a file's suffix tells, None for no or another suffix."""
    suffix = PurePath(path).suffix.lower()
    return next((row for row in FORMATS if suffix in row.suffixes), None)


def of_content_type(content_type: str) -> Format | None:
    """Return the format of a Content-Type header, whose parameters don't matter; None for another type."""
    essence = content_type.partition(";")[0].strip().lower()
    return next((row for row in FORMATS if essence in row.media_types), None)


def described(column: Literal["reads", "writes"]) -> str:
    """Return a sentence a format for a help text."""
    return " ".join(f"{row.name}: {getattr(row, column)}." for row in FORMATS)


def listed(words: tuple[str, ...]) -> str:
    """Join at least two alternatives for a sentence: "a, b or c"."""
    return f"{', '.join(words[:-1])} or {words[-1]}"
