"""The session cookie: signed, it holds the user's name and the daemon's session string.

The daemon checks passwords, counts attempts and ends sessions (the string changes with the password). The cookie
only carries the daemon's answer; the daemon checks it again on every call.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from itsdangerous import BadData, URLSafeTimedSerializer

from daemon.core.files.replace import replacing

MAX_AGE_S = 12 * 3600  # a working day
KEY_BYTES = 32
MAX_ENDED = 10_000  # sessions that are remembered as signed out

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class User:
    """A user who has signed in, and the session that the daemon gave out for that."""

    name: str
    session: str


class Cookies:
    """Session cookies of this console, made and read.

    `name` differs by port: a browser sends a cookie to every port of a host.
    """

    def __init__(self, key: bytes, port: int) -> None:
        self.name = f"vecward_session_{port}"
        self.language = f"vecward_language_{port}"
        self._serializer = URLSafeTimedSerializer(
            key, salt="vecward-session", signer_kwargs={"digest_method": hashlib.sha256}
        )
        self._ended: OrderedDict[str, float] = OrderedDict()

    def issue(self, user: User) -> str:
        """Make a cookie's value; no two are the same, so that signing out ends this one alone."""
        made = self._serializer.dumps([user.name, user.session, secrets.token_hex(8)])
        return made if isinstance(made, str) else made.decode()

    def user_of(self, cookies: Mapping[str, str]) -> User | None:
        """Return the cookie's user; None where there is no cookie, or it is not ours, too old or signed out."""
        found = self._read(cookies)
        if found is None or found[2] in self._ended:
            return None
        return User(found[0], found[1])

    def end(self, cookies: Mapping[str, str]) -> None:
        """End a cookie, and every copy of it, until the console restarts.

        It is remembered by the number inside: the same signature can be written in more than one way.
        """
        found, now = self._read(cookies), time.monotonic()
        if found is None:
            return
        while self._ended and (len(self._ended) >= MAX_ENDED or next(iter(self._ended.values())) < now - MAX_AGE_S):
            self._ended.popitem(last=False)
        self._ended[found[2]] = now

    def _read(self, cookies: Mapping[str, str]) -> tuple[str, str, str] | None:
        """Read name, session and number of a cookie that was made here and is not too old."""
        value = cookies.get(self.name)
        if value is None:
            return None
        try:
            name, session, number = self._serializer.loads(value, max_age=MAX_AGE_S)
        except (BadData, ValueError, TypeError):
            return None
        return str(name), str(session), str(number)


def load_key(path: Path) -> bytes:
    """Read the key that signs cookies, or make it: a file of mode 0600, so that a restart signs nobody out.

    Where the file can't be written the key lives as long as this process; the log says so.
    """
    try:
        return _read_or_make(path)
    except OSError as error:
        log.warning("session-key-not-kept", extra={"path": str(path), "reason": error.strerror or str(error)})
        return secrets.token_bytes(KEY_BYTES)


def _read_or_make(path: Path) -> bytes:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return _make(path)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        key = file.read(KEY_BYTES + 1)
    if found.st_mode & 0o077 or found.st_uid != os.getuid() or len(key) != KEY_BYTES:
        log.warning("session-key-replaced", extra={"path": str(path), "reason": "mode, owner or length is wrong"})
        path.unlink()
        return _make(path)
    return key


def _make(path: Path) -> bytes:
    key = secrets.token_bytes(KEY_BYTES)
    with replacing(path) as file:
        file.write(key)
    return key
