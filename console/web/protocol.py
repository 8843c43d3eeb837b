"""Connections of browsers: bounded in all, and for one address."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Hashable

from daemon.core.http.bounded import BoundedProtocol

MAX_CONNECTIONS = 2000
MAX_PER_ADDRESS = 512


class BrowserProtocol(BoundedProtocol):
    """A browser's connection."""

    def share_of(self, transport: asyncio.Transport) -> tuple[Hashable, int, str]:
        """Return the connection's address and how many it may have; a proxy on this host stands for everybody."""
        peer = transport.get_extra_info("peername")
        if not peer:
            raise OSError("cannot serve: the browser has gone")
        address = str(peer[0])
        own = ipaddress.ip_address(address.partition("%")[0]).is_loopback
        return ("console", address), MAX_CONNECTIONS if own else MAX_PER_ADDRESS, address
