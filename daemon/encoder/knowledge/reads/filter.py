"""The metadata filter of a search, as a query."""

from __future__ import annotations

import sqlite3

import numpy as np

from daemon.core import wire
from daemon.encoder.arrays import Ids

_TYPES = {str: "'text'", bool: "'true','false'", type(None): "'null'"}
_NUMBERS = "'integer','real'"


def ids_with(db: sqlite3.Connection, wanted: wire.Metadata) -> Ids:
    """Find the entries whose metadata has all these values; 1 equals 1.0, and neither equals true."""
    parts, values = ["metadata != '{}'"], []
    for key, value in wanted.items():
        types = _TYPES.get(type(value), _NUMBERS)
        known = f"SELECT 1 FROM json_each(metadata) WHERE key = ? AND value IS ? AND type IN ({types})"  # noqa: S608
        parts.append(f"EXISTS ({known})")
        values += [key, _bindable(value)]
    query = f"SELECT id FROM entries WHERE {' AND '.join(parts)}"  # noqa: S608 - values are bound
    return np.fromiter((row[0] for row in db.execute(query, values)), np.int64)


def _bindable(value: wire.Scalar) -> wire.Scalar:
    """Turn a large integer into a float, as SQLite's JSON reads it: SQLite's integers have 64 bits."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return float(value) if abs(value) < 10**308 else float("inf")
    return value
