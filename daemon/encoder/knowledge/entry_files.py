"""The reader and the writer of each file format in `daemon/core/formats.py`.

Files are UTF-8, with or without a byte order mark, with any line ends; they are read line by line and written page
by page. A text file has no way to hold a text of several lines: its line breaks are written as spaces, so such a
text comes back changed. CSV and JSON Lines bring back every text and all metadata as they are.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from daemon.core import formats, wire
from daemon.core.errors import BadRequest, Invalid, TooLong, UnsupportedMediaType
from daemon.core.units import counted
from daemon.encoder.knowledge.columns import ALLOWED, Column, quote_cell, unquote_cell

Item = tuple[int, wire.NewEntry] | wire.Refused
Line = tuple[int, str]
Pages = Iterable[Sequence[wire.Entry]]
Columns = Callable[[], Sequence[Column]]

_BOM = "\ufeff"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BREAK = re.compile(r"\r\n|[\n\r]")
# A line longer than any entry could be: it is not read as a whole.
_MAX_LINE = 8 * wire.MAX_ENTRY_BYTES


def read(stream: BinaryIO, content_type: str) -> Iterator[Item]:
    """Yield the entries of a file as (line, entry), and what can't be read of it as Refused; lines count from 1.

    Texts are as in the file, not checked yet. Raises UnsupportedMediaType at once; while it is read BadRequest
    (not UTF-8) and Invalid (no column `text`, a quote that does not end), with the line.
    """
    format = formats.of_content_type(content_type)
    if format is None:
        allowed = formats.listed(formats.MEDIA_TYPES)
        raise UnsupportedMediaType(f"cannot import {wire.shorten(content_type, 60)!r}: send {allowed} as Content-Type")
    return CODECS[format.name].read(_lines(stream))


def write(pages: Pages, name: formats.FormatName, columns: Columns) -> Iterator[bytes]:
    """Yield the file in parts. A format with columns calls `columns` (`Knowledge.columns`) at its first part."""
    return CODECS[name].write(pages, columns)


def _lines(stream: BinaryIO) -> Iterator[Line]:
    """Yield each line, its end included, with its number; raises BadRequest and TooLong."""
    number = 0
    while raw := stream.readline(_MAX_LINE):
        number += 1
        if number == 1 and raw.startswith(_UTF16):
            raise BadRequest("cannot read the file: it is UTF-16; save it as UTF-8", line=1)
        if len(raw) == _MAX_LINE and not raw.endswith(b"\n"):
            raise TooLong(
                f"cannot read line {number}: it has more than {_MAX_LINE} bytes",
                field="line",
                value=str(number),
                allowed=f"at most {wire.MAX_ENTRY_BYTES} bytes an entry",
                line=number,
            )
        try:
            line = raw.decode()
        except UnicodeDecodeError as error:
            raise BadRequest(
                f"cannot read line {number}: byte {error.start + 1} is not UTF-8; save the file as UTF-8 "
                "(in a spreadsheet: CSV UTF-8)",
                line=number,
            ) from None
        yield number, line.removeprefix(_BOM) if number == 1 else line


def _read_text(lines: Iterator[Line]) -> Iterator[Item]:
    """Yield an entry for each line that is not blank.

    A lone CR ends a line too, but is not counted, so that numbers agree with an editor's.
    """
    for number, line in lines:
        for part in _BREAK.split(line):
            if part.strip():
                yield number, wire.NewEntry(text=part)


class _JsonLine(BaseModel):
    """A line of JSON; an import ignores the id and the times that an export writes."""

    model_config = ConfigDict(extra="forbid")
    text: str
    metadata: wire.Metadata = {}
    id: int | None = None
    created_at: str | None = None
    updated_at: str | None = None


def _read_ndjson(lines: Iterator[Line]) -> Iterator[Item]:
    for number, line in lines:
        if not line.strip():
            continue
        try:
            found = _JsonLine.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            yield _refused(number, line, f"{where}: {first['msg']}" if where else first["msg"])
        else:
            yield number, wire.NewEntry(text=found.text, metadata=found.metadata)


def _refused(line: int, text: str, reason: str) -> wire.Refused:
    reason = f"cannot read line {line}: {reason}"
    return wire.Refused(line=line, text=wire.shorten(text.strip()), kind=Invalid.kind, reason=reason)


class _Source:
    """The lines for csv.reader, and the number of the line that it took last."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        for number, line in self._lines:
            self.number = number
            yield line


def _read_csv(lines: Iterator[Line]) -> Iterator[Item]:
    head = next(lines, (1, ""))
    source = _Source(_chain(head, lines))
    csv.field_size_limit(wire.MAX_BODY_BYTES)  # our own limit applies, with a better message
    rows = csv.reader(source, delimiter=_delimiter(head[1]), strict=True)
    try:
        place, columns = _header(next(rows, []))
        start = source.number + 1
        for row in rows:
            if row:
                yield _csv_row(start, row, place, columns)
            start = source.number + 1
    except csv.Error as error:
        raise Invalid(
            f"cannot read the CSV file at line {source.number}: {error}; quote a cell that holds quotes or "
            "line breaks, and double the quotes inside it",
            field="line",
            value=str(source.number),
            allowed="CSV (RFC 4180)",
            line=source.number,
        ) from None


def _chain(head: Line, lines: Iterator[Line]) -> Iterator[Line]:
    yield head
    yield from lines


def _delimiter(header: str) -> Literal[",", ";", "\t"]:
    """Guess what separates the cells: spreadsheets write semicolons where the comma is the decimal sign."""
    if "," not in header:
        if "\t" in header:
            return "\t"
        if ";" in header:
            return ";"
    return ","


def _header(cells: Sequence[str]) -> tuple[int, dict[int, Column]]:
    """Return the place of the column `text`, and the other columns by place; raises Invalid."""
    names = [unquote_cell(cell.strip()) for cell in cells]
    if names.count("text") != 1 or len(set(names)) != len(names):
        shown = ", ".join(names) or "nothing"
        raise Invalid(
            "cannot read the CSV file: its first line must name the columns, one of them text, each once; "
            f"it holds {wire.shorten(shown)}",
            field="header",
            value=wire.shorten(shown),
            allowed="text,…",
            line=1,
        )
    place = names.index("text")
    return place, {i: Column.parse(name) for i, name in enumerate(names) if i != place and name}


def _csv_row(line: int, row: Sequence[str], place: int, columns: dict[int, Column]) -> Item:
    if len(row) <= place:
        return _refused(
            line, ",".join(row), f"it has {counted(len(row), 'cell')}, the column text is number {place + 1}"
        )
    if any(cell for i, cell in enumerate(row) if i != place and i not in columns):
        return _refused(line, row[place], "it has more cells than the header names")
    metadata: wire.Metadata = {}
    for i, column in columns.items():
        cell = unquote_cell(row[i]) if i < len(row) else ""
        if cell:
            try:
                metadata[column.key] = column.read(cell)
            except ValueError:
                reason = f"the column {column.header} holds {wire.shorten(cell, 40)!r}; allowed: {ALLOWED[column.type]}"
                return _refused(line, row[place], reason)
    return line, wire.NewEntry(text=unquote_cell(row[place]), metadata=metadata)


def _write_text(pages: Pages, _columns: Columns) -> Iterator[bytes]:
    for page in pages:
        yield "".join(_BREAK.sub(" ", entry.text) + "\n" for entry in page).encode()


def _write_ndjson(pages: Pages, _columns: Columns) -> Iterator[bytes]:
    for page in pages:
        yield "".join(entry.model_dump_json() + "\n" for entry in page).encode()


def _write_csv(pages: Pages, columns: Columns) -> Iterator[bytes]:
    held = columns()
    yield _csv([["text", *(column.header for column in held)]])
    for page in pages:
        yield _csv([[entry.text, *(column.write(entry.metadata) for column in held)] for entry in page])


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    """Return lines of CSV; `quote_cell` keeps a spreadsheet from taking a text for a formula."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([quote_cell(cell) for cell in row] for row in rows)
    return out.getvalue().encode()


@dataclass(frozen=True)
class Codec:
    """The reader and the writer of one format."""

    read: Callable[[Iterator[Line]], Iterator[Item]]
    write: Callable[[Pages, Columns], Iterator[bytes]]


CODECS: dict[formats.FormatName, Codec] = {
    "txt": Codec(_read_text, _write_text),
    "csv": Codec(_read_csv, _write_csv),
    "jsonl": Codec(_read_ndjson, _write_ndjson),
}
