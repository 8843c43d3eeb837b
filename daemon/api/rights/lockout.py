"""Failed sign-ins, counted per user and per address, with a wait that grows and survives a restart.

In state.db and in no cachetools.TTLCache: that one would forget the waits whenever the daemon is restarted.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass

from daemon.core.errors import TooManyAttempts

FIRST_WAIT_S = 5.0
LONGEST_WAIT_S = 900.0
FORGOTTEN_AFTER_S = 86_400.0
_MAX_ROWS = 10_000

_TABLE = """
CREATE TABLE IF NOT EXISTS sign_in_attempts (
    key TEXT PRIMARY KEY, failures INTEGER NOT NULL, at REAL NOT NULL, free_at REAL NOT NULL
) WITHOUT ROWID
"""


@dataclass(frozen=True)
class Key:
    """Something that failures are counted for; `free` of them cost nothing, each one more doubles the wait."""

    text: str
    free: int


def keys_of(name: str, address: str | None) -> list[Key]:
    """Return the keys that a sign-in counts for: the user, and the address.

    An address may stand for many people behind it, so that it has more failures free.
    """
    keys = [Key(f"user:{name[:256]}", free=5)]
    return [*keys, Key(f"address:{address[:64]}", free=30)] if address else keys


def wait_after(failures: int, free: int) -> float:
    """Return the seconds to wait after the n-th failure in a row: 0, …, 0, 5, 10, 20, … 900."""
    return 0.0 if failures < free else min(FIRST_WAIT_S * 2.0 ** min(failures - free, 30), LONGEST_WAIT_S)


class Lockout:
    """The counters; an attempt counts as failed before the password is looked at, so that many at once gain nothing."""

    def __init__(self, connection: sqlite3.Connection, now: Callable[[], float] = time.time) -> None:
        self._db = connection
        self._now = now
        self._db.execute(_TABLE)

    def begin(self, keys: list[Key]) -> None:
        """Count an attempt.

        Raises:
            TooManyAttempts: one of the keys has to wait; nothing is counted.
        """
        now = self._now()
        wait = max(self._wait(key, now) for key in keys)
        if wait > 0:
            raise TooManyAttempts(
                f"cannot sign in now: too many failed attempts; try again in {wait:.0f} s", retry_after=wait
            )
        for key in keys:
            self._count(key, now)
        self._prune(now)

    def succeeded(self, keys: list[Key]) -> None:
        """Let the user start afresh, and take this one attempt back from the address.

        Only that one: else a guesser with an account of their own would clear the address between guesses.
        """
        user, *addresses = keys
        self._db.execute("DELETE FROM sign_in_attempts WHERE key = ?", (user.text,))
        for key in addresses:
            self._db.execute(
                "UPDATE sign_in_attempts SET failures = failures - 1, free_at = 0 WHERE key = ?", (key.text,)
            )

    def _row(self, key: Key, now: float) -> tuple[int, float]:
        row = self._db.execute(
            "SELECT failures, at, free_at FROM sign_in_attempts WHERE key = ?", (key.text,)
        ).fetchone()
        if row is None or abs(now - row[1]) > FORGOTTEN_AFTER_S:  # abs: the clock may have been set back
            return 0, 0.0
        return row[0], row[2]

    def _wait(self, key: Key, now: float) -> float:
        return min(max(self._row(key, now)[1] - now, 0.0), LONGEST_WAIT_S)

    def _count(self, key: Key, now: float) -> None:
        failures = self._row(key, now)[0] + 1
        self._db.execute(
            "INSERT OR REPLACE INTO sign_in_attempts (key, failures, at, free_at) VALUES (?, ?, ?, ?)",
            (key.text, failures, now, now + wait_after(failures, key.free)),
        )

    def _prune(self, now: float) -> None:
        """Delete what is old or too much: made-up names must not fill the disk. Rows that hold nobody back go first."""
        self._db.execute("DELETE FROM sign_in_attempts WHERE at < ?", (now - FORGOTTEN_AFTER_S,))
        self._db.execute(
            "DELETE FROM sign_in_attempts WHERE key IN "
            "(SELECT key FROM sign_in_attempts ORDER BY failures DESC, at DESC LIMIT -1 OFFSET ?)",
            (_MAX_ROWS,),
        )
