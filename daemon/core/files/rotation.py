"""Log files of one day (UTC): the first line of a new day renames the file to NAME.YYYY-MM-DD; old ones are removed."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path


class DailyFile:
    """An open log file, which only grows.

    A line is with the kernel when `write` returns. Mode 0640; a link in the file's place is refused.
    """

    def __init__(
        self,
        path: Path,
        kept_days: int,
        today: Callable[[], date],
        *,
        folder_mode: int = 0o777,
        let_go: Callable[[int], None] = os.close,
    ) -> None:
        """Take the clock `today`, and `let_go`, which closes a descriptor that is done with."""
        self.path = path
        self.day: date | None = None
        self.size = 0
        self.torn = False  # the last line is cut off: by a crash, or by a full disk
        self._kept_days = kept_days
        self._today = today
        self._folder_mode = folder_mode
        self._let_go = let_go
        self._fd: int | None = None

    def open(self) -> int:
        """The descriptor of today's file. Raises OSError.

        Where the old file can't be renamed, its lines go on there; where the new one can't be opened, in the old one.
        """
        today = self._today()
        if self._fd is not None and today == self.day:
            return self._fd
        with suppress(OSError):
            rotate(self.path, today, self._kept_days, self.day)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=self._folder_mode)
            fresh = _open(self.path)
        except OSError:
            if self._fd is None:
                raise
            return self._fd
        self.close()
        self._fd, self.day = fresh, today
        self.size = os.fstat(fresh).st_size
        self.torn = self.size > 0 and os.pread(fresh, 1, self.size - 1) != b"\n"
        return fresh

    def write(self, lines: bytes) -> bool:
        """Append lines; False where the disk took a part of them only. Raises OSError.

        A torn line before them is ended first.
        """
        fd = self.open()
        raw = b"\n" + lines if self.torn else lines
        written = os.write(fd, raw)
        self.size += written
        self.torn = written < len(raw)
        return not self.torn

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        if self._fd is not None:
            before, self._fd = self._fd, None
            self._let_go(before)


def rotate(path: Path, today: date, kept_days: int, last: date | None = None) -> None:
    """Rename a file of an earlier day, and remove those that are older than `kept_days`. Raises OSError.

    `last` is the day of its last line; None: the day on which the file was changed last. Where a clock went back, the
    day's name may be taken: then the file goes on for another day.
    """
    if path.exists():
        written = last or datetime.fromtimestamp(path.stat().st_mtime, UTC).date()
        renamed = path.with_name(f"{path.name}.{written.isoformat()}")
        if written < today and not renamed.exists():
            path.rename(renamed)
    for old in rotated(path):
        if (today - day_of(old)).days > kept_days:
            old.unlink()


def rotated(path: Path) -> list[Path]:
    """The files of earlier days, oldest first."""
    return sorted((each for each in path.parent.glob(f"{path.name}.*") if _is_day(each)), key=day_of)


def day_of(path: Path) -> date:
    """The day of a rotated file. Raises ValueError for any other."""
    return date.fromisoformat(path.suffix[1:])


def _is_day(path: Path) -> bool:
    try:
        day_of(path)
    except ValueError:
        return False
    return True


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(path, flags, 0o640)
    try:
        os.fchmod(descriptor, 0o640)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
