"""The gate in front of the pages: which requests reach them, and for whom.

Gradio serves more than this console needs (file reading and fetching, code editing, monitoring). Only the paths
below get through, only for those who have signed in, and only from the console's own origin.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Set

from starlette.datastructures import Headers, QueryParams
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from console.messages import LANGUAGES
from console.web.bodies import bounded, read_event
from console.web.cookies import Cookies, User
from console.web.origin import check_origin, from_loopback, is_secure
from console.web.page_rewriter import PageRewriter
from console.web.refuse import Refuse, refuse
from daemon.core.wire import MAX_BODY_BYTES

_SMALL_BYTES = 64 * 1024
_MAX_PAGES = 20_000

_MOUNTED = re.compile(rf"/({'|'.join(LANGUAGES)})(/.*)")
_OPEN = re.compile(r"/(assets|static)/[^?]+")
_PASSED = re.compile(
    r"/(config|theme\.css|svelte/.+"
    r"|gradio_api/(run/\w[\w-]*|queue/(join|data)|heartbeat/\w+|cancel|reset|startup-events|app_id|info|theme\.css))?/?"
)
_SESSION_IN_PATH = re.compile(r"/gradio_api/heartbeat/(\w+)")

StillSignedIn = Callable[[User], Awaitable[bool]]


class Gate:
    """ASGI middleware that lets a request through, or refuses it.

    `handlers` are the numbers of the handlers of each language's page. `still_signed_in` asks the daemon when a page
    is opened.
    """

    def __init__(
        self,
        app: ASGIApp,
        cookies: Cookies,
        handlers: Mapping[str, Set[int]],
        still_signed_in: StillSignedIn,
    ) -> None:
        self._app = app
        self._cookies = cookies
        self._handlers = handlers
        self._still_signed_in = still_signed_in
        self._owners: OrderedDict[str, str] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        rewriter = PageRewriter(send, _page_language(scope), is_secure(scope, headers))
        try:
            check_origin(scope, headers)
            receive = await self._admit(scope, headers, receive)
        except Refuse as refusal:
            await refusal.response(scope, receive, rewriter)
            return
        await self._app(_plain(scope, headers), receive, rewriter)

    async def _admit(self, scope: Scope, headers: Headers, receive: Receive) -> Receive:
        found = _MOUNTED.fullmatch(scope["path"])
        if found is None:
            limit = MAX_BODY_BYTES if scope["path"].startswith("/import/") else _SMALL_BYTES
            return bounded(receive, headers, limit)
        inner = found[2]
        if _OPEN.fullmatch(inner):
            return receive
        if not _PASSED.fullmatch(inner):
            raise refuse(404, "Not Found")
        user = self._cookies.user_of(cookie_parser(headers.get("cookie", "")))
        if inner == "/":
            await self._check_page(user)
        elif user is None:
            raise refuse(401, "not signed in")
        return await self._check_event(scope, headers, receive, found, user)

    async def _check_page(self, user: User | None) -> None:
        if user is None:
            raise Refuse(RedirectResponse("/signin", 303))
        if not await self._still_signed_in(user):
            gone = RedirectResponse("/signin?ended=1", 303)
            gone.delete_cookie(self._cookies.name)
            raise Refuse(gone)

    async def _check_event(
        self, scope: Scope, headers: Headers, receive: Receive, path: re.Match[str], user: User | None
    ) -> Receive:
        """Check that an event is for a handler of this page, and that the page is its user's."""
        session: object = None
        if scope["method"] == "POST":
            receive, event = await read_event(receive, headers)
            session = event.get("session_hash")
            if event.get("fn_index", 0) not in self._handlers[path[1]]:
                raise refuse(404, "no such handler")
        elif in_path := _SESSION_IN_PATH.fullmatch(path[2]):
            session = in_path[1]
        else:
            session = QueryParams(scope["query_string"]).get("session_hash")
        if user is not None and isinstance(session, str):
            self._own(session, user)
        return receive

    def _own(self, session: str, user: User) -> None:
        """Give a page to its first user: Gradio keeps its values under a number that the page made up."""
        owner = self._owners.setdefault(session, user.name)
        self._owners.move_to_end(session)
        if len(self._owners) > _MAX_PAGES:
            self._owners.popitem(last=False)
        if owner != user.name:
            raise refuse(403, "this page belongs to somebody else")


def _plain(scope: Scope, headers: Headers) -> Scope:
    """Make the request as Gradio may see it: uncompressed pages, forwarding headers only from this host."""
    dropped = {b"accept-encoding"} if _page_language(scope) else set()
    if not from_loopback(scope):
        dropped |= {b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-for"}
    return {**scope, "headers": [pair for pair in headers.raw if pair[0] not in dropped]}


def _page_language(scope: Scope) -> str | None:
    """Return the language of the Gradio page that is asked for; None where it is something else."""
    found = _MOUNTED.fullmatch(scope["path"])
    return found[1] if found is not None and found[2] == "/" else None
