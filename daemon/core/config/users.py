"""The file of console users, `users.yaml`: names and hashes of passwords.

`vecward user` edits the file, the daemon reads it. It is 0600 and replaced in one step.
"""

from __future__ import annotations

import contextlib
import os
import stat
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml
from pydantic import Field

from daemon.core.config import strict_yaml
from daemon.core.config.passwords import PasswordHash, hash_password
from daemon.core.config.strict_model import ConfigModel, check
from daemon.core.errors import Conflict, Invalid, InvalidConfig, NotFound
from daemon.core.files import locks
from daemon.core.files.replace import replacing
from daemon.core.wire import shorten

MAX_NAME_CHARS = 64


class UserRecord(ConfigModel):
    hash: PasswordHash


class UsersFile(ConfigModel):
    users: dict[str, UserRecord] = Field(default_factory=dict)


Users = dict[str, str]  # name → hash


def check_user_name(name: str) -> str:
    """Return the name in NFC; raises Invalid for one that can't be told apart from another on sight."""
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


def load(path: Path) -> Users:
    """Read every user's hash; no file, no users. Raises InvalidConfig, also when others may read the file."""
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
    """Replace the file in one step, 0600, its owner kept; raises OSError."""
    text = yaml.safe_dump(
        {"users": {name: {"hash": users[name]} for name in sorted(users)}},
        allow_unicode=True,
        sort_keys=False,
    )
    with replacing(path) as file:
        _keep_owner(path, file.fileno())
        file.write(f"# Console users: written by `vecward user`.\n{text}".encode())


def add(path: Path, name: str, password: str) -> None:
    """Add a user; raises Conflict when the name is taken, Invalid, InvalidConfig."""
    name, hashed = check_user_name(name), hash_password(password)

    def change(users: Users) -> None:
        if name in users:
            raise Conflict(f"cannot add user {name}: it exists; use `vecward user passwd {name}`", user=name)
        users[name] = hashed

    _edit(path, change)


def set_password(path: Path, name: str, password: str) -> None:
    """Change a user's password, which ends the user's sessions; raises NotFound, Invalid, InvalidConfig."""
    name, hashed = check_user_name(name), hash_password(password)

    def change(users: Users) -> None:
        _known(users, name)
        users[name] = hashed

    _edit(path, change)


def remove(path: Path, name: str) -> None:
    """Remove a user; raises NotFound, Invalid, InvalidConfig."""
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
    """Keep other edits out meanwhile, by a lock on the folder: the file itself is replaced."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        locks.lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _keep_owner(path: Path, descriptor: int) -> None:
    """Give the new file, as root, to the old one's owner (else the folder's): the daemon may not be root."""
    if os.geteuid() != 0:
        return
    owner = (path if path.exists() else path.parent).stat()
    os.fchown(descriptor, owner.st_uid, owner.st_gid)
