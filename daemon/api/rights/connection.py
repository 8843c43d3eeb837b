"""Which socket a request came over, and who is at its other end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from daemon.core.http.sockets import Peer

if TYPE_CHECKING:
    from daemon.api.rights.access import Identity

SocketKind = Literal["daemon", "console"]
SCOPE_KEY = "vecward"


@dataclass(slots=True)
class Connection:
    """Stands in every scope as `scope["vecward"]`; the identity is remembered for a while (access.py)."""

    socket: SocketKind
    peer: Peer
    identity: Identity | None = field(default=None, repr=False)
    identity_until: float = 0.0  # time.monotonic()
