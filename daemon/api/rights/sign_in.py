"""Checks of passwords: slow on purpose, off the event loop, few at once, as slow for users that do not exist."""

from __future__ import annotations

import asyncio
import unicodedata
from concurrent.futures import ThreadPoolExecutor

from daemon.api.rights.authenticate import UserBase
from daemon.api.rights.lockout import Lockout, keys_of
from daemon.core.config import passwords
from daemon.core.errors import TooManyAttempts, Unauthenticated
from daemon.core.wire import SignIn

AT_ONCE = 2  # checks at a time: each takes 19 MiB
MAX_WAITING = 32


class SignIns:
    """Sign-ins of console users, behind the lockout."""

    def __init__(self, user_base: UserBase, lockout: Lockout) -> None:
        self._users = user_base
        self._lockout = lockout
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="sign-in")
        self._waiting = 0

    async def check(self, asked: SignIn, address: str | None) -> tuple[str, str]:
        """Return the user's name as it is stored, and the session string.

        Raises:
            Unauthenticated: the same for an unknown name and a wrong password.
            TooManyAttempts: the user or the address has to wait, or too many passwords are being checked.
        """
        name = unicodedata.normalize("NFC", asked.name)
        if self._waiting >= MAX_WAITING:
            raise TooManyAttempts("cannot sign in now: too many sign-ins at once; try again shortly", retry_after=2)
        keys = keys_of(name.encode("utf-8", "replace").decode(), address)
        stored = self._users.hash_of(name)
        self._lockout.begin(keys)
        right = await self._verify(stored or passwords.NO_USER_HASH, asked.password)
        if not right or stored is None or self._users.hash_of(name) != stored:
            raise Unauthenticated("cannot sign in: the name or the password is wrong")
        self._lockout.succeeded(keys)
        return name, passwords.session_of(name, stored)

    async def _verify(self, stored: str, password: str) -> bool:
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, passwords.verify, stored, password)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
