"""The browser's side of a request: its address, its scheme, and the site that made it send.

Forwarding headers are believed only from a proxy on this host.
"""

from __future__ import annotations

import ipaddress

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import Scope

from console.web.refuse import Refuse, refuse


def from_loopback(scope: Scope) -> bool:
    """Tell if the caller is on this host."""
    try:
        return ipaddress.ip_address((scope.get("client") or ("",))[0]).is_loopback
    except ValueError:
        return False


def is_secure(scope: Scope, headers: Headers) -> bool:
    """Tell if the browser came over TLS, as far as the proxy on this host says so."""
    forwarded = headers.get("x-forwarded-proto", "") if from_loopback(scope) else ""
    return (forwarded.split(",")[0].strip() or scope.get("scheme", "http")) == "https"


def browser_address(scope: Scope, headers: Headers) -> str | None:
    """Return the browser's address: the one that the proxy on this host added last, else the peer's."""
    peer = (scope.get("client") or (None,))[0]
    forwarded = headers.get("x-forwarded-for", "") if from_loopback(scope) else ""
    last = forwarded.rpartition(",")[2].strip()
    try:
        return str(ipaddress.ip_address(last)) if last else peer
    except ValueError:
        return peer


def check_origin(scope: Scope, headers: Headers) -> None:
    """Refuse a request that another site made the browser send.

    A browser names the origin with every POST and with every script's request to another origin. SameSite=Lax
    alone would let other ports of this host pass.
    """
    if not _is_foreign(scope, headers):
        return
    if scope["path"] == "/signin":
        raise Refuse(RedirectResponse("/signin?elsewhere=1", 303))
    raise refuse(403, "cannot accept requests from another site")


def _is_foreign(scope: Scope, headers: Headers) -> bool:
    origin, host = headers.get("origin"), headers.get("host", "")
    if from_loopback(scope):
        host = headers.get("x-forwarded-host", host).split(",")[0].strip()
    if origin is not None and origin.partition("://")[2].lower() != host.lower():
        return True
    reads = scope["method"] in ("GET", "HEAD")
    return not reads and headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
