"""Tenants as the reader chooses among them, and what the reader may do there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from console.messages import Language
from daemon.core import wire
from daemon.core.roles import Role


def title_of(tenant: wire.TenantView, language: Language) -> str:
    """Choose the title in the user's language, else the one in the other language, else the name."""
    titles = [tenant.title.zh, tenant.title.en] if language == "zh" else [tenant.title.en, tenant.title.zh]
    return next((title for title in titles if title), tenant.name)


def tenant_choices(tenants: Iterable[wire.TenantView], language: Language) -> list[tuple[str, str]]:
    """List (title, name) by title; the name is added where two tenants have the same title."""
    titles = {tenant.name: title_of(tenant, language) for tenant in tenants}
    counts = Counter(titles.values())
    shown = {name: title if counts[title] == 1 else f"{title} ({name})" for name, title in titles.items()}
    return sorted(((title, name) for name, title in shown.items()), key=lambda choice: choice[0].casefold())


def may(tenant: wire.TenantView, role: Role) -> bool:
    """Tell if controls of this role are drawn; the daemon decides again when one of them is used."""
    try:
        return Role(tenant.role or Role.NOBODY).at_least(role)
    except ValueError:
        return False


def may_anywhere(tenants: Iterable[wire.TenantView], info: wire.Info, role: Role) -> bool:
    """Tell if the caller has this role on at least one tenant, or on the whole host."""
    return role is Role.ANYONE or info.admin or any(may(tenant, role) for tenant in tenants)
