"""Files on their way to the daemon: in memory, on disk, open already, or in chunks as they come."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from daemon.core.errors import BadRequest
from daemon.core.units import MIB

_PART_BYTES = MIB

Upload = bytes | Path | BinaryIO | AsyncIterable[bytes]


@dataclass(frozen=True)
class Source:
    """A request body made of an upload; `size` in bytes, None where it is not known beforehand."""

    body: bytes | AsyncIterable[bytes]
    size: int | None = None


@asynccontextmanager
async def opened(upload: Upload) -> AsyncIterator[Source]:
    """Open an upload for one request; an open file is read from where it stands, and stays open.

    Raises:
        OSError: the file at the path can't be opened.
        BadRequest: reading failed on the way.
    """
    if isinstance(upload, bytes):
        yield Source(upload)
    elif isinstance(upload, Path):
        file = await asyncio.to_thread(upload.open, "rb")
        with file:
            yield Source(_parts(file), _size_left(file))
    elif isinstance(upload, AsyncIterable):
        yield Source(upload)
    else:
        yield Source(_parts(upload), _size_left(upload))


async def _parts(file: BinaryIO) -> AsyncIterator[bytes]:
    try:
        while part := await asyncio.to_thread(file.read, _PART_BYTES):
            yield part
    except OSError as error:  # told apart from a daemon that can't be reached
        raise BadRequest(f"cannot read the file to be sent: {error.strerror or error}; nothing was changed") from error


def _size_left(file: BinaryIO) -> int | None:
    """Return the number of bytes from where the file stands to its end; None for a pipe."""
    if not file.seekable():
        return None
    at = file.tell()
    size = file.seek(0, os.SEEK_END) - at
    file.seek(at)
    return size
