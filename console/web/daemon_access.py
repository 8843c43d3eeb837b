"""The one way from a page to the daemon: always as the user whose cookie came with this very request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import gradio as gr

from console.web.cookies import Cookies, User
from daemon.client import AsyncClient
from daemon.core import wire
from daemon.core.errors import Unauthenticated, Unavailable

CALL_S = 90.0  # longer than the daemon lets a request wait for a tenant that wakes up (wake_wait_s)
MAX_TENANTS = 1000
AT_ONCE = 64  # calls of the daemon at a time; the others wait for their turn

OpenClient = Callable[[User | None, str | None], AsyncClient]


@dataclass(frozen=True)
class Backend:
    """`open_client` makes a client of the console socket for a user (None: for signing in from that address)."""

    cookies: Cookies
    open_client: OpenClient
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    def user_of(self, request: gr.Request) -> User:
        """Raises Unauthenticated; the daemon decides what the user may do."""
        return self._need(self.cookies.user_of(_cookies_of(request)))

    @asynccontextmanager
    async def as_user(self, request: gr.Request) -> AsyncIterator[AsyncClient]:
        """Raises VecwardError of the problem's kind."""
        async with self.as_(self.user_of(request)) as client:
            yield client

    @asynccontextmanager
    async def as_(
        self, user: User | None, seconds: float = CALL_S, *, address: str | None = None
    ) -> AsyncIterator[AsyncClient]:
        try:
            async with asyncio.timeout(seconds), self._room, self.open_client(user, address) as client:
                yield client
        except TimeoutError:
            raise Unavailable(f"cannot wait any longer: no answer within {seconds:.0f} s; try again") from None

    @staticmethod
    def _need(user: User | None) -> User:
        if user is None:
            raise Unauthenticated("cannot answer: you are not signed in (any more); sign in again")
        return user


async def all_tenants(client: AsyncClient) -> list[wire.TenantView]:
    """Every tenant that the user may search, at most MAX_TENANTS."""
    page = await client.tenants(limit=MAX_TENANTS)
    found = list(page.tenants)
    while page.next is not None and len(found) < MAX_TENANTS:
        page = await client.tenants(after=page.next, limit=MAX_TENANTS)
        found += page.tenants
    return found[:MAX_TENANTS]


def _cookies_of(request: gr.Request) -> Mapping[str, str]:
    inner = request.request
    return {} if inner is None else dict(inner.cookies)
