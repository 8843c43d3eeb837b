"""Files that are put aside each day (UTC) as NAME.YYYY-MM-DD and removed after a number of days."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path


def day_of(path: Path) -> date:
    """Of a file that was put aside. Raises ValueError for any other."""
    return date.fromisoformat(path.suffix[1:])


def put_aside(path: Path, today: date, kept_days: int, last: date | None = None) -> None:
    """Puts `path` aside if it was last written (`last`; None: the file's own word) before `today`, and removes what is
    older than `kept_days`.

    Where a clock went back, the day's name may be taken: then the file goes on for another day. Raises OSError.
    """
    if path.exists():
        written = last or datetime.fromtimestamp(path.stat().st_mtime, UTC).date()
        aside = path.with_name(f"{path.name}.{written.isoformat()}")
        if written < today and not aside.exists():
            path.rename(aside)
    for old in aside_of(path):
        if (today - day_of(old)).days > kept_days:
            old.unlink()


def aside_of(path: Path) -> list[Path]:
    """The files put aside, oldest first."""
    return sorted((each for each in path.parent.glob(f"{path.name}.*") if _is_day(each)), key=day_of)


def _is_day(path: Path) -> bool:
    try:
        day_of(path)
    except ValueError:
        return False
    return True
