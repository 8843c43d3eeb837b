"""Pages, folders and files of the repository, as the tests of documentation read them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
CONTRACT = CHECKOUT / "daemon" / "README.md"
ROOMS = ("daemon", "console", "tests")
_TOP = (*ROOMS, "deploy", "tenants.d")
_TEXT = {".py", ".md", ".yaml", ".toml", ".sh", ".css", ".js", ".html", ".c", ".sql"}

_CITED = re.compile(r'daemon/README\.md,\s+(?:#\s+)?"([^"]+)"')
_QUOTED = re.compile(r"`([^`\n]+)`")


def folders(top: Path) -> Iterator[Path]:
    """A folder and all below it; caches and hidden ones are none."""
    yield top
    for path in sorted(top.iterdir()):
        if path.is_dir() and path.name != "__pycache__" and not path.name.startswith("."):
            yield from folders(path)


def things(folder: Path) -> list[str]:
    """Names to look at on entering a folder: no empty files such as `__init__.py`, no caches, not the page itself."""
    return sorted(path.name for path in folder.iterdir() if _is_seen(path))


def _is_seen(path: Path) -> bool:
    if path.name.startswith(".") or path.name in ("__pycache__", "README.md"):
        return False
    return path.is_dir() or path.stat().st_size > 0


def files() -> Iterator[Path]:
    """Text files of the repository."""
    yield from (path for path in sorted(CHECKOUT.iterdir()) if path.suffix in _TEXT and path.is_file())
    for top in _TOP:
        for folder in folders(CHECKOUT / top):
            yield from (path for path in sorted(folder.iterdir()) if path.suffix in _TEXT and path.is_file())


def sections(page: Path) -> dict[str, str]:
    """The text below each `## heading` of a page."""
    parts = re.split(r"^## (.+)$", page.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def quoted(text: str) -> set[str]:
    """Names in a text that stand between backticks."""
    return set(_QUOTED.findall(text))


def citations() -> Iterator[tuple[Path, str]]:
    """Each citation of the contract, with the file that it stands in."""
    for path in files():
        if path != CONTRACT:
            for heading in _CITED.findall(path.read_text()):
                yield path.relative_to(CHECKOUT), " ".join(heading.replace("#", " ").split())
