"""Pages of the audit log, read from the end of the newest file back into those of earlier days."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

from daemon.core.files import rotation
from daemon.core.units import MIB

_DAY_SHIFT = 33  # a page's `before` is the day and the place in its file, which has 8 GiB at most
_LOOK_BACK_BYTES = 4 * MIB  # searched per page; older lines are on the following one

Line = dict[str, Any]
Page = tuple[list[Line], int | None]  # lines, newest first, and the `before` of the page of older ones


def page(path: Path, today: date, before: int | None, limit: int, wanted: dict[str, str]) -> Page:
    """Return at most `limit` lines that have all the `wanted` values.

    A page may hold fewer lines than are left; there are none left when its second part is None.

    Args:
        path: the file of `today`; those of earlier days lie beside it.
        before: the second part of the page of newer lines; None begins with the newest line.
    """
    older = ((rotation.day_of(old), old) for old in rotation.rotated(path))
    files = [*older, (today, path)]
    day, end = _position(before)
    while files and files[-1][0].toordinal() > day:
        files.pop()
    if not files:
        return [], None
    last, path = files.pop()
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        end = min(end, size) if last.toordinal() == day else size
        found, rest = _look_back(file.fileno(), end, limit, wanted)
    if rest is not None:
        return found, last.toordinal() << _DAY_SHIFT | rest
    return found, _end_of(files[-1][0]) if files else None


def _position(before: int | None) -> tuple[int, int]:
    """Return the day (an ordinal) and the place in its file that a page's `before` stands for."""
    if before is None:
        return date.max.toordinal(), 0
    return before >> _DAY_SHIFT, before & (1 << _DAY_SHIFT) - 1


def _end_of(day: date) -> int:
    return (day.toordinal() + 1 << _DAY_SHIFT) - 1


def _look_back(fd: int, end: int, limit: int, wanted: dict[str, str]) -> Page:
    """Search the last lines before the place `end`; the second part is the place to go on from, None at the start."""
    start = max(0, end - _LOOK_BACK_BYTES)
    block = os.pread(fd, end - start, start)
    if start:  # its first line is a part of one
        torn, newline, block = block.partition(b"\n")
        start += len(torn) + len(newline)
    found: list[Line] = []
    for raw in reversed(block.splitlines(keepends=True)):
        end -= len(raw)
        line = _read(raw)
        if line is not None and all(line.get(name) == value for name, value in wanted.items()):
            found.append(line)
            if len(found) == limit:
                return found, end or None
    return found, start or None


def _read(raw: bytes) -> Line | None:
    if not raw.strip():
        return None
    try:
        line = json.loads(raw)
    except ValueError:
        line = None
    if not isinstance(line, dict):
        return {"action": "audit-torn-line", "text": raw[:200].decode("utf-8", "replace")}
    return line
