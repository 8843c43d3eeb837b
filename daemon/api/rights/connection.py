"""A connection to one of the daemon's sockets, and the peer at its other end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from daemon.api.rights.identity import Identity
from daemon.core.http.sockets import Peer

SocketKind = Literal["daemon", "console"]
SCOPE_KEY = "vecward"


@dataclass(slots=True)
class Connection:
    """The connection that a request came over, in every scope as `scope["vecward"]`.

    `identity` is remembered on it until `identity_until` (time.monotonic()), by `linux.LinuxIdentities`.
    """

    socket: SocketKind
    peer: Peer
    identity: Identity | None = field(default=None, repr=False)
    identity_until: float = 0.0
