"""Words for file formats: for each row in `daemon/core/formats.py`, known to the messages or not."""

from __future__ import annotations

from console.messages import MESSAGES, Words
from daemon.core import formats


def format_title(row: formats.Format, t: Words) -> str:
    """Return the name of a format; one that is the same in every language, such as JSON Lines, needs no message."""
    key = f"file.{row.name}"
    return t(key) if key in MESSAGES else row.title


def import_hint(t: Words) -> str:
    """Return which files may be imported, and what must be in them where a message says so."""
    return t("file.import_hint", formats=t("file.separator").join(_readable(row, t) for row in formats.FORMATS))


def _readable(row: formats.Format, t: Words) -> str:
    key = f"file.{row.name}_read"
    return t(key) if key in MESSAGES else f"{format_title(row, t)} ({row.suffixes[0]})"


def bad_type(t: Words) -> str:
    """Return the sentence for a file of another type."""
    return t("file.bad_type", suffixes=t("file.separator").join(formats.SUFFIXES))
