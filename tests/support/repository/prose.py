"""The rules about prose, as a check: `python -m tests.support.repository.prose [FOLDER …]` lists breaches of them."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
FOLDERS = ("daemon", "console", "tests")

# A first line names a thing or says what is done; these words begin a clause, or go on with a sentence elsewhere.
_CLAUSE_WORDS = """
    what who whom whoever whose which whichever that this these those it its they them their he she there here
    by to and or but of for from in on at with without within into onto as if so when where why how while until till
    since because before after beside besides between behind beyond about above below against through than then
    never not no only also too even still yet just always whether though although unless despite during
    is are was were be been has have had does do did can could may might must shall should will would
    inside outside around over off out up like such really once neither wherever longer
    used taken told sent opened counted held loaded said built called asked given
    raises
"""
NOT_FIRST = frozenset(_CLAUSE_WORDS.split())
_FIELD = re.compile(r"`[a-z_]+`")  # a name, which alone does not say what it stands for
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
OUTSIDE = re.compile(r"design(\.md)?, section \d|shared/(design|house|style)")


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """The docstrings of a file, each with its line."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text is not None:
                yield getattr(node, "lineno", 1), text


def complaint(text: str) -> str | None:
    """The rule that a docstring breaks, in words; None: it breaks none."""
    lines = text.split("\n")
    first = lines[0].strip()
    word = re.match(r"[A-Za-z'-]+", first)
    if _FIELD.match(first):
        return "begins with a field's name: name the thing first"
    if word and word.group().lower() in NOT_FIRST:
        return f"begins with '{word.group()}'"
    if not first.endswith((".", "!", "?", ":")):
        return "its first line does not end with a full stop: one sentence, one line"
    if len(lines) > 1 and lines[1].strip():
        return "no blank line after its first"
    return None


def complaints(paths: list[Path]) -> Iterator[str]:
    """Breaches of the rules, as `file:line: what is wrong`."""
    for path in paths:
        where = path.relative_to(CHECKOUT)
        for line, text in docstrings(path):
            if why := complaint(text):
                yield f"{where}:{line}: docstring {why}: {text.splitlines()[0][:90]!r}"
        for number, line_text in enumerate(path.read_text().splitlines(), 1):
            if OUTSIDE.search(line_text):
                yield f"{where}:{number}: cites a page outside the repository"
            if _CHINESE.search(line_text) and not _may_be_chinese(where):
                yield f"{where}:{number}: Chinese words outside console/messages"


def _may_be_chinese(path: Path) -> bool:
    return path.parts[0] == "tests" or path.parts[:2] == ("console", "messages")


def sources(folders: list[str]) -> list[Path]:
    """Python files below these folders of the checkout."""
    return sorted(
        path for folder in folders for path in (CHECKOUT / folder).rglob("*.py") if "__pycache__" not in path.parts
    )


if __name__ == "__main__":
    found = list(complaints(sources(sys.argv[1:] or list(FOLDERS))))
    sys.stdout.write("".join(f"{line}\n" for line in found))
    sys.exit(bool(found))
