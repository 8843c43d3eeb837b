"""Texts of the tenant, read without a trace, and a folder beside its knowledge base for the copies."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from daemon.core.errors import StartRefused
from daemon.encoder.knowledge.file import sharing

# For a base without entries: one sentence in English, one in Chinese.
_NOTHING = ("a sentence for a base that holds none", "\u6ca1\u6709\u6761\u76ee\u65f6\u4f7f\u7528\u7684\u53e5\u5b50")
_QUERY_CHARS = 120
_LINKED = ("models", "hf-cache")  # where the model may lie: read by the copy as they are


def own_texts(base: Path, most: int) -> list[str]:
    """Read the newest texts of the tenant's base, whose encoder goes on undisturbed. Raises StartRefused."""
    if not base.exists():
        return []
    shared = sharing.share(base)
    try:
        db = sqlite3.connect(f"{base.absolute().as_uri()}?mode=ro", uri=True)
        try:
            rows = db.execute("SELECT text FROM entries ORDER BY id DESC LIMIT ?", (most,)).fetchall()
        finally:
            db.close()
    except sqlite3.Error as error:
        raise StartRefused(f"cannot read the tenant's texts from {base}: {error}") from error
    finally:
        os.close(shared)
    return [str(row[0]) for row in rows]


def enough(texts: Sequence[str], count: int) -> list[str]:
    """Make so many texts, no two alike: where there are fewer, they are repeated with a number behind."""
    sources = texts or _NOTHING
    return [_numbered(sources[at % len(sources)], at // len(sources)) for at in range(count)]


def _numbered(text: str, times: int) -> str:
    return f"{text} ({times + 1})" if times else text


def queries(texts: Sequence[str], count: int = 1000) -> list[str]:
    """The beginnings of texts, as somebody would type them."""
    return [text[:_QUERY_CHARS] for text in enough(texts, count)]


@contextmanager
def folder(data: Path, number: int) -> Iterator[Path]:
    """An empty data folder below the tenant's own, with the tenant's models; gone afterwards."""
    made = data / "bench" / str(number)
    made.mkdir(parents=True, mode=0o700)
    for name in _LINKED:
        (made / name).symlink_to(data / name)
    os.chdir(made)  # its socket is named from here: a socket's whole path may be too long
    try:
        yield made
    finally:
        os.chdir(data)
        shutil.rmtree(made, ignore_errors=True)


def clean(data: Path) -> None:
    """Remove what a bench that was killed left."""
    shutil.rmtree(data / "bench", ignore_errors=True)
