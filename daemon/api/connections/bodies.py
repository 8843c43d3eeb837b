"""Bodies of requests: bounded, and on their way to an encoder in memory, or in an unlinked file when they are large."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.types import Message, Receive

from daemon.core.errors import BadRequest, BodyTooLarge, DiskFull, QueueFull
from daemon.core.files import disk
from daemon.core.http.response import Headers
from daemon.core.units import MIB

IN_MEMORY_BYTES = MIB  # a larger body waits in a file, so that many of them do not fill the daemon
MAX_HELD_BYTES = 256 * MIB  # of one caller's bodies, in memory and on disk
_MAX_DIGITS = 18  # of a declared length
_HELD: Counter[str] = Counter()


class ClientGone(Exception):
    """The caller left before its request was complete."""


@dataclass
class Body:
    """A request's body, which can be sent more than once.

    Its `held` bytes count for the caller `whose` until it is closed; where that is None, for nobody.
    """

    small: bytes = b""
    large: Any = None
    size: int = 0
    whose: str | None = None
    held: int = 0

    def to_send(self, moved: Callable[[], None]) -> bytes | AsyncIterator[bytes]:
        """Return the body for a request; `moved` is called as parts of it go."""
        return self.small if self.large is None else self._stream(moved)

    async def _stream(self, moved: Callable[[], None]) -> AsyncIterator[bytes]:
        """Read the file off the event loop: a disk that is slow must not hold up every tenant."""
        self.large.seek(0)
        while chunk := await asyncio.to_thread(self.large.read, IN_MEMORY_BYTES):
            moved()
            yield chunk

    def grow(self, size: int) -> None:
        """Count more bytes of it.

        Raises:
            QueueFull: many large bodies of one caller, at once, must not fill memory or disk.
        """
        if self.whose is not None:
            if _HELD[self.whose] + size > MAX_HELD_BYTES:
                raise QueueFull(
                    f"cannot take this body now: unfinished requests of {self.whose} already hold "
                    f"{_HELD[self.whose]} bytes of at most {MAX_HELD_BYTES}; wait for one to end"
                )
            _HELD[self.whose] += size
            self.held += size
        self.size += size

    def close(self) -> None:
        """Let go of memory, file and share; a second call does nothing."""
        if self.large is not None:
            self.large.close()
        if self.whose is not None:
            _HELD[self.whose] -= self.held
            self.held = 0
            if _HELD[self.whose] <= 0:
                del _HELD[self.whose]


async def read_body(scope: Any, receive: Any, limit: int | None, folder: Path, whose: str | None = None) -> Body:
    """Read the whole body; a large one into a nameless file in `folder`.

    Args:
        limit: bytes that it may have; None: as many as there is room for.
        whose: the caller whose share it counts for.

    Raises:
        BodyTooLarge: as soon as that is known.
        QueueFull: the caller's share is used up.
        DiskFull: no room in `folder`.
    """
    declared = declared_length(scope["headers"], limit)
    body = Body(whose=whose)
    try:
        if limit is None:
            await asyncio.to_thread(_leave_room, folder, declared or 0)
        await _read_into(body, receive, limit, folder)
    except OSError as error:
        body.close()
        if not disk.is_full(error):
            raise
        raise DiskFull(
            f"cannot take a body of {body.size} bytes or more: the disk that holds {folder} has no room for it; "
            "nothing was changed. Make room on it, then try again",
            file=str(folder),
        ) from error
    except BaseException:
        body.close()
        raise
    return body


async def _read_into(body: Body, receive: Any, limit: int | None, folder: Path) -> None:
    parts: list[bytes] = []
    waiting, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        parts.append(message.get("body", b""))
        waiting += len(parts[-1])
        if limit is not None and body.size + len(parts[-1]) > limit:
            raise _too_large(limit)
        body.grow(len(parts[-1]))
        more = message.get("more_body", False)
        if waiting > IN_MEMORY_BYTES or (body.large is not None and not more):
            await asyncio.to_thread(_spool, body, parts, folder)
            if limit is None:
                await asyncio.to_thread(_leave_room, folder, 0)
            waiting = 0
    if body.large is None:
        body.small = parts[0] if len(parts) == 1 else b"".join(parts)


def _leave_room(folder: Path, size: int) -> None:
    """Refuse a body, of any size, that would take the last twentieth of the disk from the other tenants.

    Raises:
        OSError: ENOSPC.
    """
    disk = shutil.disk_usage(folder)
    if disk.free - size < disk.total // 20:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def _spool(body: Body, parts: list[bytes], folder: Path) -> None:
    if body.large is None:
        body.large = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (closed by Body.close)
    body.large.write(b"".join(parts))
    body.large.flush()  # now, so that a full disk is told here
    parts.clear()


def declared_length(headers: Headers, limit: int | None) -> int | None:
    """Return the length that a request declares, None where it declares none.

    Raises:
        BadRequest: it is no number.
        BodyTooLarge: it is more than `limit` bytes.
    """
    declared = next((value for name, value in headers if name == b"content-length"), None)
    if declared is None:
        return None
    if not declared.isdigit() or len(declared) > _MAX_DIGITS:
        raise BadRequest("cannot read the request: its content-length is not a number of bytes")
    length = int(declared)
    if limit is not None and length > limit:
        raise _too_large(limit)
    return length


def bounded(receive: Receive, headers: Headers, limit: int) -> Receive:
    """Return a `receive` that raises BodyTooLarge as soon as the body is known to be larger than `limit` bytes."""
    declared_length(headers, limit)
    size = 0

    async def receive_bounded() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            raise _too_large(limit)
        return message

    return receive_bounded


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"cannot take a body of more than {limit} bytes here; send less at a time", allowed=f"at most {limit} bytes"
    )
