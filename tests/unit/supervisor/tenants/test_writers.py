"""Attributes of a tenant are assigned in its own room alone: other rooms go through its methods."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import daemon
from daemon.supervisor.tenants import tenant, traffic
from daemon.supervisor.tenants.shown import facts, warnings

DAEMON = Path(daemon.__file__).parent
ROOM = DAEMON / "supervisor" / "tenants"
PARTS = {tenant: "Tenant", facts: "Facts", traffic: "Traffic", warnings: "Warnings"}


def attributes() -> set[str]:
    """Read the names of all public attributes of a tenant and of its parts."""
    found: set[str] = set()
    for module, name in PARTS.items():
        assert module.__file__ is not None
        for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
            if isinstance(node, ast.ClassDef) and node.name == name:
                found |= set(_assigned_to(node, owner="self")) | set(_fields(node))
    return {name for name in found if not name.startswith("_")}


def _fields(node: ast.ClassDef) -> Iterator[str]:
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            yield statement.target.id


def _assigned_to(tree: ast.AST, owner: str) -> Iterator[str]:
    return (target.attr for target in _targets(tree) if isinstance(target.value, ast.Name) and target.value.id == owner)


def _targets(tree: ast.AST) -> Iterator[ast.Attribute]:
    """Attributes that are assigned, added to or deleted; an item of one counts as one."""
    for node in ast.walk(tree):
        where = node.value if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load) else node
        stored = where is not node or not isinstance(getattr(node, "ctx", ast.Load()), ast.Load)
        if isinstance(where, ast.Attribute) and stored:
            yield where


def writes_to_tenants(source: str) -> list[str]:
    """List the assignments to what may be a tenant: the variable's name says so, or the attribute is a tenant's own."""
    names = attributes()
    found = []
    for target in _targets(ast.parse(source)):
        owner = ast.unparse(target.value)
        is_tenant = owner.split(".")[-1] in ("tenant", "facts", "traffic", "warnings") or owner.startswith("tenant.")
        if is_tenant or (target.attr in names - SHARED and owner != "self"):
            found.append(f"{target.lineno}: {owner}.{target.attr}")
    return found


# Names that other classes have, too.
SHARED = {"name", "state", "reason", "process", "crash"}


def test_no_other_room_assigns_a_tenants_attribute() -> None:
    found = {}
    for path in sorted(DAEMON.rglob("*.py")):
        if ROOM not in path.parents and path.is_relative_to(DAEMON / "supervisor") | path.is_relative_to(
            DAEMON / "api"
        ):
            found[str(path.relative_to(DAEMON))] = writes_to_tenants(path.read_text())
    assert {path: writes for path, writes in found.items() if writes} == {}
    assert len(found) > 40, "the supervisor's and the API's files were looked at"


def test_the_check_sees_what_it_is_for() -> None:
    assert {"state", "goal", "file", "placement", "gpu_memory_mb", "used_at", "waiting", "restarts"} <= attributes()
    for write in (
        "tenant.state = 1",
        "tenant.facts.crash = None",
        "other.placement = None",
        "tenant.traffic.waiting += 1",
        "one.gpu_memory_mb: float = 2",
        "tenant.warnings['disk'] = 'full'",
        "del tenant.reason",
        "a, grew.used_at = 1, 2",
    ):
        assert writes_to_tenants(write), write
    assert writes_to_tenants("self.tenant_name = tenant.name; shown = tenant.facts.crash; past.process = 1") == []
