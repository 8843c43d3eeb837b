"""A caller's principals, and the roles that follow from them.

Principals never match across kinds: `uid:N`, `linux:NAME` and `group:NAME` come from the kernel and the
system's user base, `user:NAME` from users.yaml. The overflow id 65534 (nobody) matches nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from daemon.core.config.daemon_config import DaemonConfig
from daemon.core.config.tenant_config import TenantConfig
from daemon.core.roles import Role


class HasConfig(Protocol):
    """A tenant, as far as rights go; `config` is None while its file is bad and it never ran."""

    @property
    def name(self) -> str: ...
    @property
    def config(self) -> TenantConfig | None: ...


class HasTenants(Protocol):
    """The manager, as far as rights go: the configuration and the tenants in force."""

    @property
    def config(self) -> DaemonConfig: ...
    @property
    def tenants(self) -> Mapping[str, HasConfig]: ...


class Identity:
    """A set of principals, with the roles already worked out for it.

    `actor` stands for it in audit log and history: `uid:0`, `user:demo`.
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
        """Return the highest role on the tenant; None means that the caller must not learn that it exists."""
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
