"""The rules: a caller's role on a tenant, and the calls that it allows (daemon/README.md, "Who may do what")."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.api.matching import Match
from daemon.api.rights.connection import SocketKind
from daemon.api.rights.identity import HasConfig, HasTenants, Identity
from daemon.core.errors import Forbidden, UnknownTenant
from daemon.core.http.sockets import Peer
from daemon.core.roles import Role


@dataclass(frozen=True, slots=True)
class Caller:
    """The one who makes a call: an identity, the process at the other end, and the socket it came over."""

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
    """The rules, applied to the manager's tenants as they are at the moment of the question."""

    def __init__(self, manager: HasTenants) -> None:
        self._manager = manager

    def is_admin(self, caller: Caller) -> bool:
        return caller.identity.is_admin(self._manager.config)

    def role_on(self, caller: Caller, tenant: HasConfig) -> Role | None:
        return caller.identity.role_on(tenant, self._manager.config)

    def visible(self, caller: Caller, needed: Role = Role.SEARCHER) -> dict[str, Role]:
        """Return the caller's role on each tenant where it is at least `needed`."""
        roles = {name: self.role_on(caller, tenant) for name, tenant in self._manager.tenants.items()}
        return {name: role for name, role in roles.items() if role is not None and role.at_least(needed)}

    def authorise(self, caller: Caller, match: Match) -> None:
        """Refuse a call that the caller has no right to make.

        Raises:
            UnknownTenant: there is no such tenant, or the caller must not know that there is.
            Forbidden: the caller's role is too low.
        """
        if match.tenant is None:
            self._authorise_on_any(caller, match)
            return
        tenant = self._manager.tenants.get(match.tenant)
        if tenant is None:
            if match.route.unknown_tenant and self.is_admin(caller):
                return
            raise UnknownTenant.named(match.tenant)
        role = self.role_on(caller, tenant)
        if role is None:
            raise UnknownTenant.named(match.tenant)
        if not role.at_least(match.route.role):
            raise Forbidden(
                f"cannot {match.route.words}: your role on tenant {match.tenant} is {role}, "
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
