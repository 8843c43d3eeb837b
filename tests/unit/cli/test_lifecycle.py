"""Commands that start an operation and wait for its end; the end of a tenant."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import Vecward
from tests.support.http import answers
from tests.support.http.api_stub import Canned, Stub, problem

T = "/v1/tenants/acme"
ESCAPE = "\x1b[31mred\x1b]0;title\x07"


def test_start_waits_until_it_is_done(stub: Stub, root: Path, vecward: Vecward) -> None:
    left = ["running", "running", "done"]
    stub.answers[f"POST {T}/start"] = Canned(answers.operation(), 202)
    stub.answers[f"GET {T}/operations/d-1/wait"] = lambda _: Canned(answers.operation(left.pop(0)))
    ended = vecward("--root", root, "start", "acme")
    assert (ended.code, ended.out, left) == (0, "acme: start done in 2.0 s\n", [])


def test_a_start_that_failed(stub: Stub, root: Path, vecward: Vecward) -> None:
    failed = answers.operation("failed", error=problem("tenant-failed", "cannot start acme: the GPU is busy"))
    stub.answers[f"POST {T}/start"] = Canned(failed, 202)
    ended = vecward("--root", root, "start", "acme", "--json")
    assert ended.code == 1
    assert ended.json == failed
    assert ended.err == "vecward: tenant-failed: cannot start acme: the GPU is busy\n"


@pytest.mark.parametrize("state", ["cancelled", "interrupted"])
def test_a_start_that_was_broken_off(stub: Stub, root: Path, vecward: Vecward, state: str) -> None:
    stub.answers[f"POST {T}/start"] = Canned(answers.operation(state), 202)
    ended = vecward("--root", root, "start", "acme")
    assert ended.code == 1
    assert ended.err.startswith(f"vecward: operation-{state}: cannot finish start of acme")


def test_deleting_a_tenant(stub: Stub, root: Path, vecward: Vecward) -> None:
    stub.answers[f"DELETE {T}"] = Canned(b"", 204)
    assert vecward("--root", root, "tenant", "delete", "acme").out == "acme: deleted, its data is kept\n"
    ended = vecward("--root", root, "tenant", "delete", "acme", "--purge", "--yes", "--json")
    assert ended.json == {"deleted": "acme", "purged": True}
    assert [asked.target for asked in stub.asked] == [T, f"{T}?purge=acme"]
