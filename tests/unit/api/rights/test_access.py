"""Principals, roles, and who may know what."""

from __future__ import annotations

import os
from dataclasses import FrozenInstanceError, dataclass, field

import pytest

from daemon.api.matching import Match, match
from daemon.api.rights.access import Access, Caller
from daemon.api.rights.identity import Identity
from daemon.api.routes import By, Route
from daemon.core.config.daemon_config import DaemonConfig
from daemon.core.config.tenant_config import AccessConfig, EncoderConfig, TenantConfig
from daemon.core.errors import Forbidden, UnknownTenant
from daemon.core.http.sockets import Peer
from daemon.core.roles import Role

STRANGER = Peer(1, 4_000_001, 4_000_001)


@dataclass
class FakeTenant:
    name: str
    config: TenantConfig | None


@dataclass
class FakeManager:
    tenants: dict[str, FakeTenant]
    config: DaemonConfig = field(default_factory=lambda: DaemonConfig(admins=["user:root-of-all"]))


def tenant_with(**access: list[str]) -> TenantConfig:
    return TenantConfig(encoder=EncoderConfig(backend="fake"), access=AccessConfig(**access))


def caller(*principals: str) -> Caller:
    return Caller(Identity(principals[0] if principals else "uid:65534", principals), STRANGER, "daemon")


@pytest.fixture
def manager() -> FakeManager:
    acme = tenant_with(searchers=["user:s", "group:sales"], editors=["user:e"], admins=["user:a"])
    tenants = {"acme": acme, "globex": tenant_with(searchers=["linux:x"]), "broken": None}
    return FakeManager({name: FakeTenant(name, config) for name, config in tenants.items()})


@pytest.fixture
def access(manager: FakeManager) -> Access:
    return Access(manager)


@pytest.mark.parametrize(
    ("principal", "role"),
    [
        ("user:s", Role.SEARCHER),
        ("group:sales", Role.SEARCHER),
        ("user:e", Role.EDITOR),
        ("user:a", Role.TENANT_ADMIN),
        ("user:root-of-all", Role.ADMIN),
        (f"uid:{os.getuid()}", Role.ADMIN),
        *((other_kind, None) for other_kind in ("linux:s", "group:s", "uid:s", "user:sales", "user:S")),
    ],
)
def test_a_role_comes_from_a_grant_of_exactly_that_principal(
    manager: FakeManager, access: Access, principal: str, role: Role | None
) -> None:
    assert access.role_on(caller(principal), manager.tenants["acme"]) is role


def test_the_highest_role_counts(manager: FakeManager, access: Access) -> None:
    assert access.role_on(caller("user:s", "user:a", "user:e"), manager.tenants["acme"]) is Role.TENANT_ADMIN


def test_a_tenant_whose_file_is_bad_is_for_admins_only(manager: FakeManager, access: Access) -> None:
    assert access.role_on(caller("user:s"), manager.tenants["broken"]) is None
    assert access.role_on(caller("user:root-of-all"), manager.tenants["broken"]) is Role.ADMIN


def test_roles_follow_a_changed_configuration(manager: FakeManager, access: Access) -> None:
    who = caller("user:s")
    tenant = manager.tenants["acme"]
    assert access.role_on(who, tenant) is Role.SEARCHER
    tenant.config = tenant_with(editors=["user:s"])
    assert access.role_on(who, tenant) is Role.EDITOR
    tenant.config = tenant_with()
    assert access.role_on(who, tenant) is None
    manager.config = DaemonConfig(admins=["user:s"])
    assert access.role_on(who, tenant) is Role.ADMIN
    manager.config = DaemonConfig(admins=[])
    assert access.role_on(who, tenant) is None


def test_a_list_holds_what_the_caller_may_search(access: Access) -> None:
    assert access.visible(caller("user:s")) == {"acme": Role.SEARCHER}
    assert access.visible(caller("user:s", "linux:x")) == {"acme": Role.SEARCHER, "globex": Role.SEARCHER}
    assert access.visible(caller("user:s"), Role.TENANT_ADMIN) == {}
    assert access.visible(caller()) == {}
    assert set(access.visible(caller("user:root-of-all"))) == {"acme", "globex", "broken"}


def refusal(access: Access, who: Caller, method: str, path: str) -> str | None:
    try:
        access.authorise(who, match(method, path))
    except (UnknownTenant, Forbidden) as error:
        return error.kind
    return None


def test_unknown_and_hidden_tenants_answer_alike(access: Access) -> None:
    """Answers about them differ in the name that was asked for, and in no other byte."""

    def words(name: str) -> str:
        with pytest.raises(UnknownTenant) as caught:
            access.authorise(caller("user:s"), match("GET", f"/v1/tenants/{name}"))
        return caught.value.message.replace(name, "…")

    assert words("globex") == words("nowhere")
    assert refusal(access, caller("user:s"), "POST", "/v1/tenants/globex/stop") == "unknown-tenant"


def test_known_but_not_allowed_is_forbidden(access: Access) -> None:
    assert refusal(access, caller("user:s"), "POST", "/v1/tenants/acme/search") is None
    assert refusal(access, caller("user:s"), "POST", "/v1/tenants/acme/entries") == "forbidden"
    assert refusal(access, caller("user:e"), "POST", "/v1/tenants/acme/entries") is None
    assert refusal(access, caller("user:e"), "POST", "/v1/tenants/acme/stop") == "forbidden"
    assert refusal(access, caller("user:a"), "POST", "/v1/tenants/acme/stop") is None
    assert refusal(access, caller("user:a"), "DELETE", "/v1/tenants/acme") == "forbidden"


def test_only_admins_may_name_a_tenant_that_is_not_there(access: Access) -> None:
    assert refusal(access, caller("user:a"), "PUT", "/v1/tenants/new") == "unknown-tenant"
    assert refusal(access, caller("user:root-of-all"), "PUT", "/v1/tenants/new") is None
    assert refusal(access, caller("user:root-of-all"), "POST", "/v1/tenants/new/start") == "unknown-tenant"


def test_a_role_on_a_path_without_tenant_means_on_at_least_one(access: Access) -> None:
    assert refusal(access, caller("user:a"), "GET", "/v1/events") is None
    assert refusal(access, caller("user:e"), "GET", "/v1/events") == "forbidden"
    assert refusal(access, caller("user:a"), "GET", "/v1/audit") == "forbidden"
    assert refusal(access, caller(), "GET", "/v1/tenants") is None


def on_no_tenant(role: Role) -> Match:
    """A call that names no tenant and takes a role."""
    return Match(Route("look", "GET", "/v1/look", role, By.DAEMON, "Look."), None, {})


HIGHEST = {
    "user:nobody": Role.ANYONE,
    "user:s": Role.SEARCHER,
    "user:e": Role.EDITOR,
    "user:a": Role.TENANT_ADMIN,
    "user:root-of-all": Role.ADMIN,
}


@pytest.mark.parametrize(("principal", "highest"), HIGHEST.items())
@pytest.mark.parametrize("needed", list(Role))
def test_a_call_without_tenant_takes_its_role_on_some_tenant(
    access: Access, principal: str, highest: Role, needed: Role
) -> None:
    if highest.at_least(needed):
        access.authorise(caller(principal), on_no_tenant(needed))
    else:
        with pytest.raises(Forbidden) as caught:
            access.authorise(caller(principal), on_no_tenant(needed))
        assert caught.value.message == f"cannot GET /v1/look: this takes {needed}; ask an admin"
        assert caught.value.details == {"needed": needed.value}


def test_a_refusal_names_the_call_the_role_and_the_one_it_takes(access: Access) -> None:
    with pytest.raises(Forbidden) as caught:
        access.authorise(caller("user:s"), match("POST", "/v1/tenants/acme/entries"))
    assert caught.value.message == (
        "cannot add entries: your role on tenant acme is searcher, this takes editor; ask an admin"
    )
    assert caught.value.details == {"needed": "editor", "role": "searcher"}


def test_a_caller_is_its_identity_for_as_long_as_the_call_takes() -> None:
    who = caller("user:s", "group:sales")
    assert (who.actor, who.principals) == ("user:s", {"user:s", "group:sales"})
    with pytest.raises(FrozenInstanceError):
        who.identity = Identity("user:root-of-all", ["user:root-of-all"])  # type: ignore[misc]


@pytest.mark.parametrize(
    "name", ["ACME", "acme.", "acme%2e", "..", "%2e%2e", "аcme", "acme\u200b", "ac-me", "a" * 300, "ACME".lower() + " "]
)
def test_look_alikes_name_no_tenant(access: Access, name: str) -> None:
    assert refusal(access, caller("user:root-of-all"), "GET", f"/v1/tenants/{name}") == "unknown-tenant"
