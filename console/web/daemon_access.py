"""The way from a page to the daemon: always as the user whose cookie came with this very request."""

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
MAX_CALLS = 64  # calls of the daemon at a time; the others wait for their turn

OpenClient = Callable[[User | None, str | None], AsyncClient]


@dataclass(frozen=True)
class DaemonAccess:
    """Connections to the daemon, each made for one call of one user.

    `open_client(user, address)` makes a client of the console socket. For signing in there is no user yet; the
    address is then the browser's, by which the daemon counts attempts.
    """

    cookies: Cookies
    open_client: OpenClient
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_CALLS))

    def user_of(self, request: gr.Request) -> User:
        """Return who has signed in, else raise Unauthenticated; the daemon decides what the user may do."""
        return self.signed_in(_cookies_of(request))

    def signed_in(self, cookies: Mapping[str, str]) -> User:
        """Return whose session these cookies hold, else raise Unauthenticated."""
        user = self.cookies.user_of(cookies)
        if user is None:
            raise Unauthenticated("cannot answer: you are not signed in (any more); sign in again")
        return user

    @asynccontextmanager
    async def as_user(self, request: gr.Request) -> AsyncIterator[AsyncClient]:
        """Connect as the user of a page's request; raises the VecwardError of what goes wrong."""
        async with self.connect(self.user_of(request)) as client:
            yield client

    @asynccontextmanager
    async def connect(
        self, user: User | None, seconds: float = CALL_S, *, address: str | None = None
    ) -> AsyncIterator[AsyncClient]:
        """Connect as `user`; Unavailable when the work inside takes longer than `seconds`."""
        try:
            async with asyncio.timeout(seconds), self._slots, self.open_client(user, address) as client:
                yield client
        except TimeoutError:
            raise Unavailable(f"cannot wait any longer: no answer within {seconds:.0f} s; try again") from None


async def all_tenants(client: AsyncClient) -> list[wire.TenantView]:
    """List every tenant that the user may search, at most MAX_TENANTS."""
    page = await client.tenants(limit=MAX_TENANTS)
    found = list(page.tenants)
    while page.next is not None and len(found) < MAX_TENANTS:
        page = await client.tenants(after=page.next, limit=MAX_TENANTS)
        found += page.tenants
    return found[:MAX_TENANTS]


def _cookies_of(request: gr.Request) -> Mapping[str, str]:
    inner = request.request
    return {} if inner is None else dict(inner.cookies)
