"""Reading files that root reads on somebody's word: a regular file, not a link, not a pipe, not without end."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def open_plain(path: Path, *, follow: bool = False) -> int:
    """A descriptor to read from; the caller closes it.

    Raises OSError when the file is a link (unless `follow`) or no regular file. A named pipe does not block.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY | (0 if follow else os.O_NOFOLLOW)
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    os.set_blocking(descriptor, True)
    return descriptor


def read_at_most(path: Path, limit: int) -> bytes:
    """The first `limit` bytes; a link is followed. Raises OSError."""
    with os.fdopen(open_plain(path, follow=True), "rb") as file:
        return file.read(limit)
