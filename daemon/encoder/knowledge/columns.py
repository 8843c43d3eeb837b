"""Metadata as columns of a table: `price:float` is a column of numbers, a bare name one of texts."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from daemon.core import wire

# A spreadsheet takes such a cell for a formula, some the wide forms too. One ' before it makes it text; the reader
# takes one off again.
_START = "[=+\\-@\\t\\r\\n\uff1d\uff0b\uff0d\uff20]"
_FORMULA = re.compile(f"'*{_START}")
_QUOTED = re.compile(f"'+{_START}")


def quote_cell(value: str) -> str:
    return f"'{value}" if _FORMULA.match(value) else value


def unquote_cell(value: str) -> str:
    return value[1:] if _QUOTED.match(value) else value


def _bool(value: str) -> bool:
    known = {"true": True, "false": False}
    if value.lower() not in known:
        raise ValueError(value)
    return known[value.lower()]


def _json(value: str) -> wire.Scalar:
    parsed = json.loads(value)
    if isinstance(parsed, dict | list):
        raise ValueError(value)  # noqa: TRY004 - the same error as for any other bad cell
    return parsed  # type: ignore[no-any-return]


PARSERS: dict[str, Callable[[str], wire.Scalar]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": _bool,
    "json": _json,
}
ALLOWED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "json": "a JSON text, number, true, false or null",
}


@dataclass(frozen=True)
class Column:
    """One metadata key and the type of its cells; an empty cell means that the entry has no such key."""

    key: str
    type: str = "str"

    @classmethod
    def parse(cls, header: str) -> Column:
        key, colon, type_ = header.rpartition(":")
        return cls(key, type_) if colon and key and type_ in PARSERS else cls(header)

    @property
    def header(self) -> str:
        """The column's name in the first line, without the suffix where the bare name says the same."""
        ambiguous = self.key == "text" or Column.parse(self.key).key != self.key
        return f"{self.key}:{self.type}" if self.type != "str" or ambiguous else self.key

    def read(self, cell: str) -> wire.Scalar:
        """Read a cell's value. Raises ValueError."""
        return PARSERS[self.type](cell)

    def write(self, metadata: wire.Metadata) -> str:
        if self.key not in metadata:
            return ""
        value = metadata[self.key]
        return value if self.type == "str" and isinstance(value, str) else json.dumps(value, ensure_ascii=False)


_OF_SQL = {"text": "str", "integer": "int", "real": "float", "true": "bool", "false": "bool"}


def metadata_columns(db: sqlite3.Connection) -> list[Column]:
    """List a column for each metadata key of the base; one whose values are of several types holds JSON."""
    kinds: dict[str, set[str]] = {}
    query = (
        "SELECT DISTINCT j.key, j.type, j.value IS '' FROM entries e, json_each(e.metadata) j "
        "WHERE e.metadata != '{}' ORDER BY 1"
    )
    for key, type_, empty in db.execute(query):
        # an empty text in a column of texts would be read back as no value
        kinds.setdefault(key, set()).add("json" if empty else _OF_SQL.get(type_, "json"))
    return [Column(key, types.pop() if len(types) == 1 else "json") for key, types in sorted(kinds.items())]
