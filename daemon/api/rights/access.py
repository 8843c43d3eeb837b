"""Who calls, and what they may (design, section 7).

Principals never match across kinds: `uid:N`, `linux:NAME` and `group:NAME` come from the kernel and the
system's user base, `user:NAME` from users.yaml. The overflow id 65534 (nobody) matches nothing.
"""

from __future__ import annotations

import asyncio
import grp
import pwd
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from daemon.api.rights.connection import Connection, SocketKind
from daemon.api.routes import Match
from daemon.core.config.daemon_config import DaemonConfig
from daemon.core.config.tenant_config import TenantConfig
from daemon.core.errors import Forbidden, UnknownTenant
from daemon.core.http.sockets import Peer
from daemon.core.roles import Role
from daemon.core.wire import shorten

NOBODY_ID = 65534  # the kernel's overflow uid and gid (proc(5), overflowuid)
IDENTITY_S = 10.0  # how long the system's answer about a uid is believed
_KEPT = 4096  # identities remembered at most


class HasConfig(Protocol):
    """A tenant, as far as rights go; `config` is None while its file is bad and it never ran."""

    @property
    def name(self) -> str: ...
    @property
    def config(self) -> TenantConfig | None: ...


class HasTenants(Protocol):
    @property
    def config(self) -> DaemonConfig: ...
    @property
    def tenants(self) -> Mapping[str, HasConfig]: ...


class Identity:
    """A set of principals with the roles already worked out for it.

    `actor` is its word in audit log and history: `uid:0`, `user:demo`.
    """

    __slots__ = ("_admin", "_roles", "actor", "principals")

    def __init__(self, actor: str, principals: Iterable[str]) -> None:
        self.actor = actor
        self.principals = frozenset(principals)
        self._admin: tuple[DaemonConfig, bool] | None = None
        self._roles: dict[str, tuple[TenantConfig | None, Role | None]] = {}

    def is_admin(self, config: DaemonConfig) -> bool:
        if self._admin is None or self._admin[0] is not config:
            self._admin = (config, not self.principals.isdisjoint(config.all_admins()))
            self._roles.clear()
        return self._admin[1]

    def role_on(self, tenant: HasConfig, config: DaemonConfig) -> Role | None:
        """The highest role on the tenant; None: the caller must not learn that it exists."""
        if self.is_admin(config):
            return Role.ADMIN
        known = self._roles.get(tenant.name)
        if known is not None and known[0] is tenant.config:
            return known[1]
        role = self._granted(tenant.config)
        self._roles[tenant.name] = (tenant.config, role)
        return role

    def _granted(self, tenant: TenantConfig | None) -> Role | None:
        if tenant is None:
            return None
        access = tenant.access
        ladder = (
            (Role.TENANT_ADMIN, access.admins),
            (Role.EDITOR, access.editors),
            (Role.SEARCHER, access.searchers),
        )
        return next((role for role, granted in ladder if not self.principals.isdisjoint(granted)), None)


@dataclass(frozen=True, slots=True)
class Caller:
    identity: Identity
    peer: Peer
    via: SocketKind

    @property
    def principals(self) -> frozenset[str]:
        return self.identity.principals

    @property
    def actor(self) -> str:
        return self.identity.actor


class Access:
    """The rules, over the manager's tenants as they are at the moment of the question."""

    def __init__(self, manager: HasTenants) -> None:
        self._manager = manager

    def is_admin(self, caller: Caller) -> bool:
        return caller.identity.is_admin(self._manager.config)

    def role_on(self, caller: Caller, tenant: HasConfig) -> Role | None:
        return caller.identity.role_on(tenant, self._manager.config)

    def visible(self, caller: Caller, needed: Role = Role.SEARCHER) -> dict[str, Role]:
        """The caller's role on each tenant where it is at least `needed`."""
        roles = {name: self.role_on(caller, tenant) for name, tenant in self._manager.tenants.items()}
        return {name: role for name, role in roles.items() if role is not None and role.at_least(needed)}

    def authorise(self, caller: Caller, match: Match) -> None:
        """Raises UnknownTenant (also where the caller must not know the tenant) or Forbidden."""
        if match.tenant is None:
            self._authorise_on_any(caller, match)
            return
        tenant = self._manager.tenants.get(match.tenant)
        if tenant is None:
            if match.route.unknown_tenant and self.is_admin(caller):
                return
            raise unknown_tenant(match.tenant)
        role = self.role_on(caller, tenant)
        if role is None:
            raise unknown_tenant(match.tenant)
        if not role.at_least(match.route.role):
            raise Forbidden(
                f"cannot {match.route.name.replace('_', ' ')} on tenant {match.tenant}: your role is {role}, "
                f"this takes {match.route.role}; ask an admin",
                needed=match.route.role.value,
                role=role.value,
            )

    def _authorise_on_any(self, caller: Caller, match: Match) -> None:
        needed = match.route.role
        if Role.ANYONE.at_least(needed) or self.is_admin(caller):
            return
        if needed is Role.ADMIN or not self.visible(caller, needed):
            raise Forbidden(
                f"cannot {match.route.method} {match.route.path}: this takes {needed}; ask an admin",
                needed=needed.value,
            )


def unknown_tenant(name: str) -> UnknownTenant:
    """The one answer for tenants that are not there and for those that the caller must not know."""
    return UnknownTenant(
        f"cannot find tenant {shorten(name, 40)}: there is none of that name that you may search; "
        "GET /v1/tenants lists yours"
    )


# --- Linux callers --------------------------------------------------------------------------------


class LinuxIdentities:
    """Names of uids and gids, asked of the system off the event loop (they may come over a network)."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, tuple[int, ...]], tuple[Identity, float]] = {}

    def remembered(self, connection: Connection) -> Identity | None:
        """The hot path: what this connection was found to be within the last IDENTITY_S."""
        return connection.identity if time.monotonic() < connection.identity_until else None

    async def find(self, connection: Connection) -> Identity:
        peer = connection.peer
        key = (peer.uid, peer.gid, peer.groups)
        known = self._known.get(key)
        if known is None or known[1] < time.monotonic():
            principals = await asyncio.to_thread(linux_principals, peer)
            known = (self._merge(key, peer, principals), time.monotonic() + IDENTITY_S)
            self._remember(key, known)
        connection.identity, connection.identity_until = known
        return known[0]

    def _merge(self, key: tuple[int, int, tuple[int, ...]], peer: Peer, principals: frozenset[str]) -> Identity:
        """The identity as it was when nothing changed, so that its roles need no second look."""
        known = self._known.get(key)
        if known is not None and known[0].principals == principals:
            return known[0]
        return Identity(f"uid:{peer.uid}", principals)

    def _remember(self, key: tuple[int, int, tuple[int, ...]], known: tuple[Identity, float]) -> None:
        if len(self._known) >= _KEPT:
            self._known.clear()
        self._known[key] = known


def linux_principals(peer: Peer) -> frozenset[str]:
    """What the kernel's word makes of a peer. Asks the user base: may block."""
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
