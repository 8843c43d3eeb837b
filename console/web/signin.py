"""Signing in and out, and switching the language: plain pages that need no script."""

from __future__ import annotations

import logging
import math
from urllib.parse import parse_qs

from fastapi import APIRouter
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from console.components.language_switch import language_links
from console.components.markup import Html, el
from console.components.notices import notice, problem
from console.messages import Language, Words, words
from console.web.cookies import MAX_AGE_S, User
from console.web.daemon_access import DaemonAccess
from console.web.language import choose_language
from console.web.origin import browser_address, is_secure
from daemon.core.errors import TooManyAttempts, Unauthenticated, VecwardError

_YEAR_S = 365 * 86_400
_SIGN_IN_S = 30.0

log = logging.getLogger(__name__)


def router(daemon: DaemonAccess, title: str) -> APIRouter:
    """Make the routes of signing in and out; `title` is the console's."""
    pages = _Pages(daemon, title)
    routes = APIRouter(include_in_schema=False)
    routes.add_api_route("/", pages.home)
    routes.add_api_route("/signin", pages.form)
    routes.add_api_route("/signin", pages.sign_in, methods=["POST"])
    routes.add_api_route("/signout", pages.sign_out, methods=["POST"])
    routes.add_api_route("/language/{language}", pages.switch)
    return routes


class _Pages:
    def __init__(self, daemon: DaemonAccess, title: str) -> None:
        self._daemon = daemon
        self._cookies = daemon.cookies
        self._title = title

    async def home(self, request: Request) -> Response:
        if self._cookies.user_of(request.cookies) is None:
            return RedirectResponse("/signin", 303)
        return RedirectResponse(f"/{self._language(request)}/", 303)

    async def form(self, request: Request) -> Response:
        t = words(self._language(request))
        said = None
        if "ended" in request.query_params:
            said = notice(t("signin.ended"))
        elif "elsewhere" in request.query_params:
            said = notice(t("signin.elsewhere"), "bad")
        return self._page(request, said)

    async def sign_in(self, request: Request) -> Response:
        name, password = _fields(await request.body())
        address = browser_address(request.scope, request.headers)
        try:
            async with self._daemon.connect(None, _SIGN_IN_S, address=address) as client:
                found = await client.sign_in(name, password)
        except VecwardError as error:
            return self._refused(request, error, name)
        answer = RedirectResponse(f"/{self._language(request)}/", 303)
        value = self._cookies.issue(User(found.name, found.session))
        return self._set(answer, request, self._cookies.name, value, MAX_AGE_S)

    async def sign_out(self, request: Request) -> Response:
        self._cookies.end(request.cookies)
        return self._set(RedirectResponse("/signin", 303), request, self._cookies.name, "", 0)

    async def switch(self, language: Language, request: Request) -> Response:
        return self._set(RedirectResponse("/", 303), request, self._cookies.language, language, _YEAR_S)

    def _language(self, request: Request) -> Language:
        return choose_language(request.cookies.get(self._cookies.language), request.headers.get("accept-language"))

    def _set(self, answer: Response, request: Request, name: str, value: str, max_age: int) -> Response:
        secure = is_secure(request.scope, Headers(scope=request.scope))
        answer.set_cookie(name, value, max_age=max_age, httponly=True, samesite="lax", secure=secure)
        return answer

    def _refused(self, request: Request, error: VecwardError, name: str) -> Response:
        t = words(self._language(request))
        if isinstance(error, TooManyAttempts):
            wait = t("signin.wait", seconds=math.ceil(error.retry_after or 1))
            return self._page(request, notice(wait, "bad"), name, 429)
        if isinstance(error, Unauthenticated):
            return self._page(request, notice(t("signin.wrong"), "bad"), name, 401)
        log.warning("sign-in-failed", extra={"kind": error.kind, "reason": error.message})
        return self._page(request, problem(error, t), name, 503)

    def _page(self, request: Request, said: Html | None, name: str = "", status: int = 200) -> Response:
        return HTMLResponse(_document(self._title, self._language(request), said, name), status)


def _fields(body: bytes) -> tuple[str, str]:
    """Read name and password from a urlencoded form; a missing one is empty, which the daemon refuses."""
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=8)
    except ValueError:
        return "", ""
    return fields.get("name", [""])[0].strip(), fields.get("password", [""])[0]


def _document(title: str, language: Language, said: Html | None, name: str = "") -> str:
    t = words(language)
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", f"{t('signin.title')} · {title}"),
        el("link", rel="icon", href="/static/favicon.svg"),
        el("link", rel="stylesheet", href="/static/console.css"),
    )
    main = el("main", _card(title, t, said, name), _languages(language), class_="vw-signin")
    page = el("html", head, el("body", main, class_="vw-plain"), lang=language)
    return f"<!doctype html>{page}"


def _card(title: str, t: Words, said: Html | None, name: str) -> Html:
    name_field = _field("name", t("signin.name"), value=name, autocomplete="username", autofocus=not name)
    password_field = _field(
        "password", t("signin.password"), type="password", autocomplete="current-password", autofocus=bool(name)
    )
    return el(
        "form",
        el("h1", title, class_="vw-brand"),
        el("p", t("signin.welcome"), class_="vw-welcome"),
        said,
        name_field,
        password_field,
        el("button", t("signin.button"), type="submit", class_="vw-primary"),
        action="/signin",
        method="post",
    )


def _field(key: str, label: str, **attributes: str | bool) -> Html:
    return el(
        "label",
        el("span", label),
        el("input", name=key, id=key, required=True, spellcheck="false", autocapitalize="none", **attributes),
    )


def _languages(current: Language) -> Html:
    return el("nav", language_links(current), class_="vw-languages")
