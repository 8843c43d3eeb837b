"""The console's side of a browser's connection: bounded, and one address can't take them all."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Hashable

from daemon.core.http.bounded import BoundedProtocol

MAX_CONNECTIONS = 2000
MAX_PER_ADDRESS = 512


class BrowserProtocol(BoundedProtocol):
    def share_of(self, transport: asyncio.Transport) -> tuple[Hashable, int, str]:
        """A proxy on this host stands for everybody."""
        peer = transport.get_extra_info("peername")
        if not peer:
            raise OSError("no peer: it has gone")
        address = str(peer[0])
        own = ipaddress.ip_address(address.partition("%")[0]).is_loopback
        return ("console", address), MAX_CONNECTIONS if own else MAX_PER_ADDRESS, address
