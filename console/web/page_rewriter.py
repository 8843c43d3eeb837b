"""Gradio's page with our own style and script, and the security headers of every answer."""

from __future__ import annotations

import re
import secrets

from starlette.types import Message, Send

_FOREIGN_META = re.compile(r"\s*<meta\s+(?:property|name)=\"(?:og|twitter):[^>]*?/>", re.DOTALL)
_MANIFEST = '<link rel="manifest" href="/manifest.json" />'
_HEAD = (
    '<script src="/static/console.js"></script>'
    '<link rel="stylesheet" href="/static/console.css" /><link rel="icon" href="/static/favicon.svg" />'
)

# Gradio builds its HTML component's template with `Function`, hence unsafe-eval. What it does not get is
# unsafe-inline for scripts: text that slipped through unescaped could bring no script of its own.
_POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "manifest-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)


def security_headers(secure: bool) -> tuple[str, list[tuple[bytes, bytes]]]:
    """Make a nonce for the scripts of one answer, and the answer's headers."""
    nonce = secrets.token_urlsafe(16)
    headers = [
        (b"content-security-policy", _POLICY.format(nonce=nonce).encode()),
        (b"x-frame-options", b"DENY"),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
    ]
    if secure:
        headers.append((b"strict-transport-security", b"max-age=31536000"))
    return nonce, headers


class PageRewriter:
    """A `send` that adds the security headers, and rewrites Gradio's page.

    `language` is the page's; None for every other answer.
    """

    def __init__(self, send: Send, language: str | None, secure: bool) -> None:
        self._send = send
        self._language = language
        self._nonce, self._headers = security_headers(secure)
        self._start: Message | None = None
        self._body: list[bytes] = []

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif message["type"] == "http.response.body" and self._start is not None:
            await self._collect(message)
        else:
            await self._send(message)

    async def _begin(self, message: Message) -> None:
        headers = [pair for pair in message["headers"] if pair[0].lower() != b"server"] + self._headers
        kind = next((value for name, value in headers if name.lower() == b"content-type"), b"")
        message = {**message, "headers": headers}
        if kind.startswith(b"text/html"):
            message["headers"] = [*headers, (b"cache-control", b"no-store")]
            if self._language is not None:
                self._start = message
                return
        await self._send(message)

    async def _collect(self, message: Message) -> None:
        self._body.append(message.get("body", b""))
        if message.get("more_body", False) or self._start is None or self._language is None:
            return
        body = rewrite(b"".join(self._body).decode(), self._nonce, self._language).encode()
        kept = [pair for pair in self._start["headers"] if pair[0].lower() != b"content-length"]
        await self._send({**self._start, "headers": [*kept, (b"content-length", str(len(body)).encode())]})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})


def rewrite(page: str, nonce: str, language: str) -> str:
    """Put our own style and script first, give scripts the nonce, and remove what points at other hosts.

    The page's scripts are all Gradio's: what people typed is in them as JSON, with `<` escaped.
    """
    page = _FOREIGN_META.sub("", page).replace(_MANIFEST, "")
    page = page.replace('lang="en"', f'lang="{language}"', 1).replace("<head>", f"<head>{_HEAD}", 1)
    return page.replace("<script", f'<script nonce="{nonce}"')
