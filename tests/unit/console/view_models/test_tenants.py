"""Tenants as the reader chooses among them."""

from __future__ import annotations

from typing import Any

import pytest

from console.view_models import tenants as vm
from daemon.core import wire
from daemon.core.roles import Role


def _tenant(name: str, **fields: Any) -> wire.TenantView:
    fields.setdefault("title", wire.Title())
    return wire.TenantView(name=name, state="ready", goal="up", **fields)


def test_titles_are_in_the_users_language_else_the_other_else_the_name() -> None:
    both = _tenant("a", title=wire.Title(en="Sales", zh="销售部"))
    assert (vm.title_of(both, "en"), vm.title_of(both, "zh")) == ("Sales", "销售部")
    assert vm.title_of(_tenant("a", title=wire.Title(zh="销售部")), "en") == "销售部"
    assert vm.title_of(_tenant("a"), "zh") == "a"


def test_two_tenants_with_one_title_can_be_told_apart() -> None:
    tenants = [_tenant(name, title=wire.Title(en="Sales")) for name in ("b", "a")] + [_tenant("c")]
    assert vm.tenant_choices(tenants, "en") == [("c", "c"), ("Sales (a)", "a"), ("Sales (b)", "b")]


@pytest.mark.parametrize(
    ("role", "editor", "admin"),
    [
        (None, False, False),
        ("searcher", False, False),
        ("editor", True, False),
        ("tenant-admin", True, True),
        ("admin", True, True),
        ("something-newer", False, False),
    ],
)
def test_what_is_drawn_follows_the_role(role: str | None, editor: bool, admin: bool) -> None:
    tenant = _tenant("a", role=role)
    assert (vm.may(tenant, Role.EDITOR), vm.may(tenant, Role.TENANT_ADMIN)) == (editor, admin)


@pytest.mark.parametrize(
    ("role", "admin", "expected"),
    [
        (None, False, [Role.ANYONE]),
        ("searcher", False, [Role.ANYONE]),
        ("editor", False, [Role.ANYONE, Role.EDITOR]),
        ("tenant-admin", False, [Role.ANYONE, Role.EDITOR, Role.TENANT_ADMIN]),
        (None, True, [Role.ANYONE, Role.EDITOR, Role.TENANT_ADMIN, Role.ADMIN]),
    ],
)
def test_a_role_on_one_tenant_or_on_the_host_opens_a_tab(role: str | None, admin: bool, expected: list[Role]) -> None:
    tenants = [_tenant("a"), *([_tenant("b", role=role)] if role else [])]
    info = wire.Info(version="0", isolation="process", admin=admin, caller=[])
    asked = (Role.ANYONE, Role.EDITOR, Role.TENANT_ADMIN, Role.ADMIN)
    assert [one for one in asked if vm.may_anywhere(tenants, info, one)] == expected
