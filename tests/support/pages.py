"""Pages of the repository (README.md and the like), as tests read them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
CONTRACT = CHECKOUT / "daemon" / "README.md"

_CITED = re.compile(r'daemon/README\.md,\s+(?:#\s+)?"([^"]+)"')
_QUOTED = re.compile(r"`([^`\n]+)`")


def tracked() -> list[Path]:
    """Files of the checkout, relative to it: those that git has, and new ones that it does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True).stdout.decode().split("\0")
    return [Path(name) for name in sorted(set(names)) if name and (CHECKOUT / name).is_file()]


def sections(page: Path) -> dict[str, str]:
    """The text below each `## heading` of a page."""
    parts = re.split(r"^## (.+)$", page.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def quoted(text: str) -> set[str]:
    """Names in a text that stand between backticks."""
    return set(_QUOTED.findall(text))


def citations() -> Iterator[tuple[Path, str]]:
    """Each citation of the contract, with the file that it stands in."""
    for path in tracked():
        if path.suffix in (".py", ".md", ".yaml", ".toml", ".sh") and path != CONTRACT.relative_to(CHECKOUT):
            for heading in _CITED.findall((CHECKOUT / path).read_text()):
                yield path, heading
