"""Signing in and out, and the language switch: plain pages that need no script."""

from __future__ import annotations

import logging
import math
from urllib.parse import parse_qs

from fastapi import APIRouter
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from console.auth import MAX_AGE_S, User
from console.backend import Backend
from console.components.markup import Html, el, join
from console.components.notices import notice, problem
from console.gate import browser_address, is_secure
from console.i18n import LANGUAGES, Language, Words, choose_language, words
from daemon.core.errors import TooManyAttempts, Unauthenticated, VecwardError

_YEAR_S = 365 * 86_400
_SIGN_IN_S = 30.0

log = logging.getLogger(__name__)


def router(backend: Backend, title: str) -> APIRouter:
    routes = APIRouter(include_in_schema=False)
    cookies = backend.cookies

    def language_of(request: Request) -> Language:
        return choose_language(request.cookies.get(cookies.language), request.headers.get("accept-language"))

    @routes.get("/")
    async def home(request: Request) -> Response:
        if cookies.user_of(request.cookies) is None:
            return RedirectResponse("/signin", 303)
        return RedirectResponse(f"/{language_of(request)}/", 303)

    @routes.get("/signin")
    async def form(request: Request) -> Response:
        language = language_of(request)
        t = words(language)
        said = None
        if "ended" in request.query_params:
            said = notice(t("signin.ended"))
        elif "elsewhere" in request.query_params:
            said = notice(t("signin.elsewhere"), "bad")
        return HTMLResponse(_page(title, language, said))

    @routes.post("/signin")
    async def sign_in(request: Request) -> Response:
        language = language_of(request)
        name, password = _fields(await request.body())
        address = browser_address(request.scope, request.headers)
        try:
            async with backend.as_(None, _SIGN_IN_S, address=address) as client:
                found = await client.sign_in(name, password)
        except VecwardError as error:
            return _refused(error, title, language, name)
        answer = RedirectResponse(f"/{language}/", 303)
        answer.set_cookie(
            cookies.name, cookies.issue(User(found.name, found.session)), max_age=MAX_AGE_S, httponly=True,
            samesite="lax", secure=_secure(request),
        )  # fmt: skip
        return answer

    @routes.post("/signout")
    async def sign_out(request: Request) -> Response:
        cookies.end(request.cookies)
        answer = RedirectResponse("/signin", 303)
        answer.delete_cookie(cookies.name, httponly=True, samesite="lax", secure=_secure(request))
        return answer

    @routes.get("/language/{language}")
    async def switch(language: Language, request: Request) -> Response:
        answer = RedirectResponse("/", 303)
        answer.set_cookie(
            cookies.language, language, max_age=_YEAR_S, httponly=True, samesite="lax", secure=_secure(request)
        )
        return answer

    return routes


def _secure(request: Request) -> bool:
    return is_secure(request.scope, Headers(scope=request.scope))


def _fields(body: bytes) -> tuple[str, str]:
    """Name and password of a urlencoded form; what is missing is empty, and the daemon refuses that."""
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=8)
    except ValueError:
        return "", ""
    return fields.get("name", [""])[0].strip(), fields.get("password", [""])[0]


def _refused(error: VecwardError, title: str, language: Language, name: str) -> Response:
    t = words(language)
    if isinstance(error, TooManyAttempts):
        said = notice(t("signin.wait", seconds=math.ceil(error.retry_after or 1)), "bad")
        return HTMLResponse(_page(title, language, said, name), 429)
    if isinstance(error, Unauthenticated):
        return HTMLResponse(_page(title, language, notice(t("signin.wrong"), "bad"), name), 401)
    log.warning("sign-in-failed", extra={"kind": error.kind, "reason": error.message})
    return HTMLResponse(_page(title, language, problem(error, t), name), 503)


def _page(title: str, language: Language, said: Html | None, name: str = "") -> str:
    t = words(language)
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", f"{t('signin.title')} · {title}"),
        el("link", rel="icon", href="/static/favicon.svg"),
        el("link", rel="stylesheet", href="/static/console.css"),
    )
    body = el("body", el("main", _card(title, t, said, name), _languages(language), class_="vw-signin"), class_="vw-plain")
    return "<!doctype html>" + el("html", head, body, lang=language)


def _card(title: str, t: Words, said: Html | None, name: str) -> Html:
    return el(
        "form",
        el("h1", title, class_="vw-brand"),
        el("p", t("signin.welcome"), class_="vw-welcome"),
        said,
        _field("name", t("signin.name"), value=name, autocomplete="username", autofocus=not name),
        _field("password", t("signin.password"), type="password", autocomplete="current-password", autofocus=bool(name)),
        el("button", t("signin.button"), type="submit", class_="vw-primary"),
        action="/signin", method="post",
    )  # fmt: skip


def _field(key: str, label: str, **attributes: str | bool) -> Html:
    return el(
        "label",
        el("span", label),
        el("input", name=key, id=key, required=True, spellcheck="false", autocapitalize="none", **attributes),
    )


def _languages(current: Language) -> Html:
    links = (
        el("a", words(one)("language.own"), href=f"/language/{one}", lang=one, aria_current="true" if one == current else None)
        for one in LANGUAGES
    )
    return el("nav", join(*links), class_="vw-languages")
