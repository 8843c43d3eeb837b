"""Console users: `users.yaml`, argon2id hashes, the session string that changes with the password.

`vecward user` edits the file, the daemon reads it. It is 0600 and replaced in one step.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import yaml
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import AfterValidator, Field

from daemon.core.config import strict_yaml
from daemon.core.config.strict_model import ConfigModel, check
from daemon.core.errors import Conflict, Invalid, InvalidConfig, NotFound
from daemon.core.files import locks
from daemon.core.files.replace import replacing
from daemon.core.wire import shorten

MIN_PASSWORD_CHARS = 8
MAX_PASSWORD_BYTES = 1024
MAX_NAME_CHARS = 64
_MAX_MEMORY_KIB = 256 * 1024  # a hash that asks for more could only be meant to hurt

# OWASP's second choice for argon2id: 19 MiB, two passes, one lane. The daemon stays small with it.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def _checked_hash(text: str) -> str:
    try:
        parameters = extract_parameters(text)
    except (InvalidHashError, ValueError):
        parameters = None
    if parameters is None or not text.startswith("$argon2id$") or parameters.memory_cost > _MAX_MEMORY_KIB:
        raise ValueError("is not a usable argon2id hash; allowed: what `vecward user passwd NAME` writes")
    return text


class UserRecord(ConfigModel):
    hash: Annotated[str, AfterValidator(_checked_hash)]


class UsersFile(ConfigModel):
    users: dict[str, UserRecord] = Field(default_factory=dict)


Users = dict[str, str]  # name → hash


# --- names and passwords --------------------------------------------------------------------------


def check_user_name(name: str) -> str:
    """The name in NFC; raises Invalid. What can't be told apart from another name on sight is not a name."""
    name = unicodedata.normalize("NFC", name)
    printable = name.isprintable() and not any(c.isspace() or c in ":/" for c in name)
    if not (0 < len(name) <= MAX_NAME_CHARS and printable):
        raise Invalid(
            f"cannot use {shorten(name, 40)!r} as a user's name; choose one without spaces, ':' and '/'",
            field="name",
            value=shorten(name, 40),
            allowed=f"1 to {MAX_NAME_CHARS} printable characters without spaces, ':' and '/'",
        )
    return name


def hash_password(password: str) -> str:
    """An argon2id hash (about 20 ms); raises Invalid for a password too short or too long."""
    raw = _password_bytes(password)
    if len(password) < MIN_PASSWORD_CHARS or len(raw) > MAX_PASSWORD_BYTES:
        allowed = f"{MIN_PASSWORD_CHARS} characters to {MAX_PASSWORD_BYTES} bytes"
        raise Invalid(
            f"cannot use this password: it is too short or too long; choose one of {allowed}",
            field="password",
            value="…",
            allowed=allowed,
        )
    return _hasher.hash(raw)


# Checked for users that do not exist, so that they take as long as those that do; no password makes 32 zeros.
NO_USER_HASH = (
    f"$argon2id$v=19$m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}${'A' * 21}Q${'A' * 43}"
)


def verify(stored_hash: str, password: str) -> bool:
    """Whether the password is the hash's; about 20 ms and 19 MiB."""
    raw = _password_bytes(password)
    try:
        return len(raw) <= MAX_PASSWORD_BYTES and _hasher.verify(stored_hash, raw)
    except (VerificationError, InvalidHashError):
        return False


def session_of(name: str, stored_hash: str) -> str:
    """32 hex digits that change with the password: a session that carries older ones has ended."""
    return hashlib.sha256(f"vecward-session\0{name}\0{stored_hash}".encode()).hexdigest()[:32]


def _password_bytes(password: str) -> bytes:
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


# --- the file -------------------------------------------------------------------------------------


def load(path: Path) -> Users:
    """Every user's hash; no file, no users. Raises InvalidConfig, also when not the owner alone may read it."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return {}
    except OSError as error:
        strict_yaml.refuse(path, 1, "file", error.strerror or "", "a readable file", "cannot be read")
    if mode & 0o077:
        strict_yaml.refuse(
            path, 1, "mode", f"{mode:04o}", f"0600 (chmod 600 {path})", "is open to others than its owner"
        )
    document = strict_yaml.load(path)
    found = check(UsersFile, document)
    for name in found.users:
        try:
            check_user_name(name)
        except Invalid as error:
            raise InvalidConfig(
                f"cannot use {path}: {error.message}",
                file=str(path),
                line=document.line_of(("users", name)),
                **error.details,
            ) from None
    return {unicodedata.normalize("NFC", name): record.hash for name, record in found.users.items()}


def save(path: Path, users: Users) -> None:
    """Replaces the file in one step, 0600, its owner kept; raises OSError."""
    text = yaml.safe_dump(
        {"users": {name: {"hash": users[name]} for name in sorted(users)}},
        allow_unicode=True,
        sort_keys=False,
    )
    with replacing(path) as file:
        _keep_owner(path, file.fileno())
        file.write(f"# Console users: written by `vecward user`.\n{text}".encode())


def add(path: Path, name: str, password: str) -> None:
    """Raises Conflict when the name is taken, Invalid, InvalidConfig."""
    name, hashed = check_user_name(name), hash_password(password)

    def change(users: Users) -> None:
        if name in users:
            raise Conflict(f"cannot add user {name}: it exists; use `vecward user passwd {name}`", user=name)
        users[name] = hashed

    _edit(path, change)


def set_password(path: Path, name: str, password: str) -> None:
    """Raises NotFound, Invalid, InvalidConfig. The user's sessions end with it."""
    name, hashed = check_user_name(name), hash_password(password)

    def change(users: Users) -> None:
        _known(users, name)
        users[name] = hashed

    _edit(path, change)


def remove(path: Path, name: str) -> None:
    """Raises NotFound, Invalid, InvalidConfig."""
    name = check_user_name(name)

    def change(users: Users) -> None:
        _known(users, name)
        del users[name]

    _edit(path, change)


def _known(users: Users, name: str) -> None:
    if name not in users:
        raise NotFound(f"cannot find user {name}; `vecward user list` shows all", user=name)


def _edit(path: Path, change: Callable[[Users], None]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    with _locked(path.parent):
        users = load(path)
        change(users)
        save(path, users)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Two edits at once come one after the other; the folder itself is what is locked."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        locks.lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _keep_owner(path: Path, descriptor: int) -> None:
    """As root: the file stays its owner's (else the folder's), who may be a daemon that is not root."""
    if os.geteuid() != 0:
        return
    owner = (path if path.exists() else path.parent).stat()
    os.fchown(descriptor, owner.st_uid, owner.st_gid)
