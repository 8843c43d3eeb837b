"""Passwords of console users: argon2id hashes, and the session string that changes with the password."""

from __future__ import annotations

import hashlib
import unicodedata
from typing import Annotated

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import AfterValidator

from daemon.core.config.strict_model import NotAllowed
from daemon.core.errors import Invalid

MIN_PASSWORD_CHARS = 8
MAX_PASSWORD_BYTES = 1024
_MAX_MEMORY_KIB = 256 * 1024  # a hash that asks for more could only be meant to hurt

# OWASP's second choice for argon2id: 19 MiB, two passes, one lane. The daemon stays small with it.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def _checked_hash(text: str) -> str:
    try:
        parameters = extract_parameters(text)
    except (InvalidHashError, ValueError):
        parameters = None
    if parameters is None or not text.startswith("$argon2id$") or parameters.memory_cost > _MAX_MEMORY_KIB:
        raise NotAllowed("is not a usable argon2id hash", "what `vecward user passwd NAME` writes")
    return text


PasswordHash = Annotated[str, AfterValidator(_checked_hash)]


def hash_password(password: str) -> str:
    """Return an argon2id hash (about 20 ms); raises Invalid for a password too short or too long."""
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


# Checked where the user does not exist, so that the answer takes as long as for one who does; it is no password's.
NO_USER_HASH = (
    f"$argon2id$v=19$m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}${'A' * 21}Q${'A' * 43}"
)


def verify(stored_hash: str, password: str) -> bool:
    """Tell whether the password is the hash's; takes about 20 ms and 19 MiB."""
    raw = _password_bytes(password)
    try:
        return len(raw) <= MAX_PASSWORD_BYTES and _hasher.verify(stored_hash, raw)
    except (VerificationError, InvalidHashError):
        return False


def session_of(name: str, stored_hash: str) -> str:
    """Return 32 hex digits that change with the password: a session that carries older ones has ended."""
    return hashlib.sha256(f"vecward-session\0{name}\0{stored_hash}".encode()).hexdigest()[:32]


def _password_bytes(password: str) -> bytes:
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
