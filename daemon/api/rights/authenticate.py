"""Authentication of a request: the kernel's word on daemon.sock, a console user on console.sock."""

from __future__ import annotations

import hmac
import logging
import os
import pwd
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote_to_bytes

from daemon.api.rights.access import Caller
from daemon.api.rights.connection import Connection
from daemon.api.rights.identity import HasTenants, Identity
from daemon.api.rights.linux import LinuxIdentities
from daemon.core.config import passwords, users
from daemon.core.config.daemon_config import DaemonConfig
from daemon.core.errors import Forbidden, InvalidConfig, Unauthenticated

Headers = list[tuple[bytes, bytes]]

USER, SESSION, ADDRESS = b"vecward-user", b"vecward-session", b"vecward-address"

log = logging.getLogger(__name__)


class UserBase:
    """users.yaml as it is now: read again whenever the file was replaced or changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, ...] | None = None
        self._users: users.Users = {}
        self._broken: InvalidConfig | None = None
        self._identities: dict[str, Identity] = {}
        self.on_change: Callable[[str, str], None] = lambda outcome, detail: None  # noqa: ARG005

    def hash_of(self, name: str) -> str | None:
        """Return the hash of a user's password, None for no such user.

        Raises:
            Unauthenticated: the file can't be used; nobody gets in then.
        """
        self.refresh()
        if self._broken is not None:
            raise Unauthenticated("cannot sign anybody in: users.yaml can't be used, the daemon's log says why")
        return self._users.get(name)

    def identity(self, name: str) -> Identity:
        """Return the identity of a user that exists."""
        if name not in self._identities:
            self._identities[name] = Identity(f"user:{name}", [f"user:{name}"])
        return self._identities[name]

    def refresh(self) -> None:
        """Read the file when it changed; `on_change` is told what changed since it was last read."""
        stamp = self._read_stamp()
        if stamp == self._stamp:
            return
        first, before = self._stamp is None, self._users
        self._stamp, self._users, self._broken, self._identities = stamp, {}, None, {}
        try:
            self._users = users.load(self._path)
        except InvalidConfig as error:
            self._broken = error
            log.exception("users-refused", extra={"reason": error.message})
            self.on_change("refused", error.message)
        else:
            log.info("users-read", extra={"users": len(self._users)})
            if not first and (detail := _difference(before, self._users)):
                self.on_change("done", detail)

    def _read_stamp(self) -> tuple[int, ...]:
        try:
            found = os.stat(self._path)  # noqa: PTH116  (on every call of the console: pathlib costs more)
        except OSError as error:
            return (error.errno or 0,)
        return (found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size, found.st_mode)


def _difference(before: users.Users, after: users.Users) -> str:
    """Describe an edit of users.yaml in words; empty when nothing changed."""
    parts = {
        "added": after.keys() - before.keys(),
        "removed": before.keys() - after.keys(),
        "new password": {name for name in before.keys() & after.keys() if before[name] != after[name]},
    }
    return "; ".join(f"{what}: {', '.join(sorted(names))}" for what, names in parts.items() if names)


class Authenticator:
    """The way from a request to its caller: `quick` answers at once or None, `slow` asks the system."""

    def __init__(self, manager: HasTenants, user_base: UserBase) -> None:
        self._manager = manager
        self._users = user_base
        self._linux = LinuxIdentities()
        self._console_uids: tuple[DaemonConfig, frozenset[int]] | None = None

    def quick(self, connection: Connection, headers: Headers) -> Caller | None:
        """Return the caller, None where the system must be asked.

        Raises:
            Unauthenticated: on console.sock, no known user is named, or the session has ended.
            Forbidden: the caller may not use this socket, or may not name another user on it.
        """
        if connection.socket == "console":
            return Caller(self._console_user(connection, headers), connection.peer, "console")
        for name, _ in headers:
            if name == USER:
                raise Forbidden(
                    "cannot act for another user on daemon.sock: there the kernel says who calls; "
                    "leave out the header Vecward-User"
                )
        identity = self._linux.remembered(connection)
        return None if identity is None else Caller(identity, connection.peer, "daemon")

    async def slow(self, connection: Connection) -> Caller:
        return Caller(await self._linux.find(connection), connection.peer, "daemon")

    def check_console_peer(self, connection: Connection) -> None:
        """Refuse a process that is not the console's on console.sock, whatever let it open the socket's file.

        Raises:
            Forbidden: the peer has another uid.
        """
        if connection.peer.uid not in self._allowed_on_console():
            raise Forbidden(f"cannot call console.sock as uid {connection.peer.uid}: use daemon.sock")

    def identity(self, name: str) -> Identity:
        """Return the identity of a console user that exists."""
        return self._users.identity(name)

    def principal_if_known(self, name: str) -> str:
        """Return `user:NAME`, or `user:?` where there is no such user or the file can't be used."""
        try:
            known = self._users.hash_of(name) is not None
        except Unauthenticated:
            known = False
        return f"user:{name}" if known else "user:?"

    def _console_user(self, connection: Connection, headers: Headers) -> Identity:
        self.check_console_peer(connection)
        name = _the_user(headers)
        stored = self._users.hash_of(name)
        if stored is None:
            raise Unauthenticated("cannot answer: this user does not exist (any more); sign in again")
        session = _one(headers, SESSION)
        if session is not None and not hmac.compare_digest(session, passwords.session_of(name, stored).encode()):
            raise Unauthenticated("cannot answer: the session has ended; sign in again")
        return self._users.identity(name)

    def _allowed_on_console(self) -> frozenset[int]:
        config = self._manager.config
        if self._console_uids is None or self._console_uids[0] is not config:
            self._console_uids = (config, _console_uids(config))
        return self._console_uids[1]


def _console_uids(config: DaemonConfig) -> frozenset[int]:
    allowed = {0, os.getuid()}
    if config.console.user is not None:
        try:
            allowed.add(pwd.getpwnam(config.console.user).pw_uid)
        except KeyError:
            log.error("console-user-unknown", extra={"user": config.console.user})  # noqa: TRY400
    return frozenset(allowed)


def _the_user(headers: Headers) -> str:
    raw = _one(headers, USER)
    if raw is None:
        raise Unauthenticated("cannot answer: every call on console.sock needs the header Vecward-User")
    try:
        return unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        raise Unauthenticated("cannot answer: Vecward-User is not percent-encoded UTF-8") from None


def _one(headers: Headers, wanted: bytes) -> bytes | None:
    """Return a header's value.

    Raises:
        Unauthenticated: it is there twice.
    """
    found = [value for name, value in headers if name == wanted]
    if len(found) > 1:
        raise Unauthenticated(f"cannot answer: the request has the header {wanted.decode()} twice")
    return found[0] if found else None


def address_of(headers: Headers) -> str | None:
    """Return the browser's address, as the console saw it."""
    raw = _one(headers, ADDRESS)
    return None if raw is None else raw.decode("ascii", "replace")
