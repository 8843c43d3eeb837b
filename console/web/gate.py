"""In front of everything: what reaches the pages, and what browsers are told about the answers.

Gradio serves more than this console needs (file reading and fetching, code editing, monitoring). Only the paths
below get through, only for those who have signed in, and only from the console's own origin.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Set
from typing import Any

from starlette.datastructures import Headers, QueryParams
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.i18n import LANGUAGES
from console.web.cookies import Cookies, User
from console.web.page_rewriter import PageRewriter
from daemon.core.wire import MAX_BODY_BYTES

MAX_EVENT_BYTES = 8 * 1024 * 1024  # what a handler is sent; files go past Gradio (transfer.py)
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


class Refuse(Exception):
    """Ends a request with this answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


class Gate:
    """ASGI middleware. `handlers` are the numbers of each page's; `still_signed_in` asks the daemon when a page
    is opened."""

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
            return _bounded(receive, headers, limit)
        inner = found[2]
        if _OPEN.fullmatch(inner):
            return receive
        if not _PASSED.fullmatch(inner):
            raise Refuse(JSONResponse({"detail": "Not Found"}, 404))
        user = self._cookies.user_of(cookie_parser(headers.get("cookie", "")))
        if inner == "/":
            await self._check_page(user)
        elif user is None:
            raise Refuse(JSONResponse({"detail": "not signed in"}, 401))
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
        """Gradio keeps a page's values under a random number of the page's own: it stays with its user."""
        session: object = None
        if scope["method"] == "POST":
            receive, body = await _read(receive, headers, MAX_EVENT_BYTES)
            event = _check_body(body)
            session = event.get("session_hash")
            if event.get("fn_index", 0) not in self._handlers[path[1]]:
                raise Refuse(JSONResponse({"detail": "no such handler"}, 404))
        elif in_path := _SESSION_IN_PATH.fullmatch(path[2]):
            session = in_path[1]
        else:
            session = QueryParams(scope["query_string"]).get("session_hash")
        if user is not None and isinstance(session, str):
            self._own(session, user)
        return receive

    def _own(self, session: str, user: User) -> None:
        owner = self._owners.setdefault(session, user.name)
        self._owners.move_to_end(session)
        if len(self._owners) > _MAX_PAGES:
            self._owners.popitem(last=False)
        if owner != user.name:
            raise Refuse(JSONResponse({"detail": "this page belongs to somebody else"}, 403))


def from_loopback(scope: Scope) -> bool:
    """Whether the caller is on this host: only then its forwarding headers are believed."""
    try:
        return ipaddress.ip_address((scope.get("client") or ("",))[0]).is_loopback
    except ValueError:
        return False


def is_secure(scope: Scope, headers: Headers) -> bool:
    """Whether the browser came over TLS, as far as the proxy on this host says so."""
    forwarded = headers.get("x-forwarded-proto", "") if from_loopback(scope) else ""
    return (forwarded.split(",")[0].strip() or scope.get("scheme", "http")) == "https"


def browser_address(scope: Scope, headers: Headers) -> str | None:
    """The browser's address: what the proxy on this host added last, else the peer's."""
    peer = (scope.get("client") or (None,))[0]
    forwarded = headers.get("x-forwarded-for", "") if from_loopback(scope) else ""
    last = forwarded.rpartition(",")[2].strip()
    try:
        return str(ipaddress.ip_address(last)) if last else peer
    except ValueError:
        return peer


def check_origin(scope: Scope, headers: Headers) -> None:
    """Raises Refuse for what another site made the browser send.

    A browser names the origin with every POST and with every script's request to another origin. SameSite=Lax
    alone would let other ports of this host pass.
    """
    origin, host = headers.get("origin"), headers.get("host", "")
    if from_loopback(scope):
        host = headers.get("x-forwarded-host", host).split(",")[0].strip()
    foreign = origin is not None and origin.partition("://")[2].lower() != host.lower()
    if scope["method"] not in ("GET", "HEAD"):
        foreign = foreign or headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
    if foreign:
        elsewhere = scope["path"] == "/signin"
        raise Refuse(
            RedirectResponse("/signin?elsewhere=1", 303)
            if elsewhere
            else JSONResponse({"detail": "cannot accept requests from another site"}, 403)
        )


def _plain(scope: Scope, headers: Headers) -> Scope:
    """The request as Gradio may see it: uncompressed pages, forwarding headers only from this host."""
    dropped = {b"accept-encoding"} if _page_language(scope) else set()
    if not from_loopback(scope):
        dropped |= {b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-for"}
    return {**scope, "headers": [pair for pair in headers.raw if pair[0] not in dropped]}


def _page_language(scope: Scope) -> str | None:
    """The language of the Gradio page that is asked for; None: it is something else."""
    found = _MOUNTED.fullmatch(scope["path"])
    return found[1] if found is not None and found[2] == "/" else None


def _check_body(body: bytes) -> dict[str, Any]:
    """The event as JSON; raises Refuse for values that Gradio would take for a file to read or to fetch."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        raise Refuse(JSONResponse({"detail": "not JSON"}, 400)) from None
    if not isinstance(event, dict):
        raise Refuse(JSONResponse({"detail": "not an object"}, 400))
    data = event.get("data")
    if not isinstance(event.get("fn_index", 0), int):
        raise Refuse(JSONResponse({"detail": "fn_index is no number"}, 422))
    if not all(_is_plain(value) for value in (data if isinstance(data, list) else [])):
        raise Refuse(JSONResponse({"detail": "only plain values are accepted"}, 422))
    return event


def _is_plain(value: object) -> bool:
    if isinstance(value, list):
        return all(isinstance(one, str | int | float | bool) or one is None for one in value)
    return isinstance(value, str | int | float | bool) or value is None


async def _read(receive: Receive, headers: Headers, limit: int) -> tuple[Receive, bytes]:
    """The whole body, and a `receive` that gives it once more. Raises Refuse past `limit` bytes."""
    source, chunks = _bounded(receive, headers, limit), []
    while True:
        message = await source()
        if message["type"] != "http.request":
            break
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            break
    body, given = b"".join(chunks), False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again, body


def _bounded(receive: Receive, headers: Headers, limit: int) -> Receive:
    """Raises Refuse: at once for a declared length, else when too much has come."""
    declared = headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > limit:
        raise Refuse(JSONResponse({"detail": f"cannot accept more than {limit} bytes"}, 413))
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise Refuse(JSONResponse({"detail": f"cannot accept more than {limit} bytes"}, 413))
        return message

    return counted
