"""Roles and their order (daemon/README.md, "Who may do what"): the daemon decides by them, the console only draws."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """A role that a route asks of its caller. Compare with `at_least`: `<` would compare the words.

    NOBODY: not even signed in. ANYONE: signed in, no grant needed.
    """

    NOBODY = "nobody"
    ANYONE = "anyone"
    SEARCHER = "searcher"
    EDITOR = "editor"
    TENANT_ADMIN = "tenant-admin"
    ADMIN = "admin"

    def at_least(self, other: Role) -> bool:
        """Tell whether this role may do everything that the other may."""
        return _RANK[self] >= _RANK[other]


_RANK = {role: rank for rank, role in enumerate(Role)}
