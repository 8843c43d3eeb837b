"""Callers on daemon.sock: the kernel's word about a peer, and the names that the system's user base has for it."""

from __future__ import annotations

import asyncio
import grp
import pwd
import time

from cachetools import LRUCache

from daemon.api.rights.connection import Connection
from daemon.api.rights.identity import Identity
from daemon.core.http.sockets import Peer

NOBODY_ID = 65534  # the kernel's overflow uid and gid (proc(5), overflowuid)
IDENTITY_S = 10.0  # how long the system's answer about a uid is believed
_KEPT = 4096  # identities remembered at most

_Ids = tuple[int, int, tuple[int, ...]]  # uid, gid, supplementary gids


class LinuxIdentities:
    """Identities of peers, remembered; their names are asked of the system off the event loop.

    (A user base may be a network away.) An identity stays in the cache past its `IDENTITY_S`: when the system gives
    the same answer again, the roles that were worked out for it are kept. That is why it is no `TTLCache`.
    """

    def __init__(self) -> None:
        self._known: LRUCache[_Ids, tuple[Identity, float]] = LRUCache(_KEPT)

    def remembered(self, connection: Connection) -> Identity | None:
        """Return what this connection was found to be within the last `IDENTITY_S`: the path of nearly every call."""
        return connection.identity if time.monotonic() < connection.identity_until else None

    async def find(self, connection: Connection) -> Identity:
        """Return the identity of the connection's peer, and note it on the connection."""
        peer = connection.peer
        ids = (peer.uid, peer.gid, peer.groups)
        known = self._known.get(ids)
        if known is None or known[1] < time.monotonic():
            principals = await asyncio.to_thread(linux_principals, peer)
            known = (self._merge(ids, peer, principals), time.monotonic() + IDENTITY_S)
            self._known[ids] = known
        connection.identity, connection.identity_until = known
        return known[0]

    def _merge(self, ids: _Ids, peer: Peer, principals: frozenset[str]) -> Identity:
        """Return the identity as it was when nothing changed, so that its roles need no second look."""
        known = self._known.get(ids)
        if known is not None and known[0].principals == principals:
            return known[0]
        return Identity(f"uid:{peer.uid}", principals)


def linux_principals(peer: Peer) -> frozenset[str]:
    """Return the principals of a peer; asks the system's user base, so it may block."""
    found: set[str] = set()
    if peer.uid != NOBODY_ID:
        found.add(f"uid:{peer.uid}")
        if name := _user_name(peer.uid):
            found.add(f"linux:{name}")
    names = (_group_name(gid) for gid in {peer.gid, *peer.groups} - {NOBODY_ID})
    return frozenset(found | {f"group:{name}" for name in names if name})


def _user_name(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None


def _group_name(gid: int) -> str | None:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return None
