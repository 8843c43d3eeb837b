"""One tenant's file: its name, its seed, and files that never end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from daemon.core.config.tenant_file import check_name, load_tenant
from daemon.core.config.tenant_files import load_tenants
from daemon.core.errors import Invalid, InvalidConfig
from daemon.core.files.plain_file import open_plain

MINIMAL = b"encoder: {backend: fake}\n"


@pytest.mark.parametrize("name", ["..", "a/b", "Acme", "a" * 29, "a" * 200, "", "1a", "a_b", "-a", "ａcme", "a\n"])
def test_names_that_are_no_tenant_names(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_name(name)
    assert caught.value.details["allowed"]


def test_one_broken_file_leaves_the_others(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_bytes(MINIMAL)
    (tmp_path / "bad.yaml").write_text("encoder: 5\n")
    (tmp_path / "Bad-Name.yaml").write_bytes(MINIMAL)
    found = load_tenants(tmp_path)
    assert {name: tenant.error is None for name, tenant in found.items()} == {
        "good": True,
        "bad": False,
        "Bad-Name": False,
    }


def test_a_missing_seed_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("encoder: {backend: fake}\nknowledge: {seed: a.entries.txt}\n")
    error = load_tenant(path).error
    assert error is not None
    assert error.details["field"] == "knowledge.seed"


def _seeded(folder: Path) -> InvalidConfig | None:
    (folder / "acme.yaml").write_text("{encoder: {backend: fake}, knowledge: {seed: acme.txt}}")
    return load_tenant(folder / "acme.yaml").error


def test_a_seed_is_a_file_of_its_own(tmp_path: Path) -> None:
    seed = tmp_path / "acme.txt"
    seed.write_text("an entry")
    assert _seeded(tmp_path) is None


@pytest.mark.parametrize("planted", ["link", "dangling", "folder", "pipe"])
def test_a_seed_that_leads_elsewhere_is_refused(tmp_path: Path, planted: str) -> None:
    """Root opens it and gives it to the tenant."""
    seed, other = tmp_path / "acme.txt", tmp_path / "another-tenants-file"
    other.write_text("a secret of another tenant")
    {
        "link": lambda: seed.symlink_to(other),
        "dangling": lambda: seed.symlink_to(tmp_path / "nowhere"),
        "folder": seed.mkdir,
        "pipe": lambda: os.mkfifo(seed),
    }[planted]()
    error = _seeded(tmp_path)
    assert error is not None
    assert error.details["field"] == "knowledge.seed"
    with pytest.raises(OSError, match=r"symbolic links|not a regular file"):  # should it be exchanged after the check
        open_plain(seed)


@pytest.mark.parametrize("endless", ["pipe", "device"])
def test_a_tenant_file_that_never_ends_is_refused(tmp_path: Path, endless: str) -> None:
    path = tmp_path / "acme.yaml"
    os.mkfifo(path) if endless == "pipe" else path.symlink_to("/dev/zero")
    error = load_tenant(path).error
    assert error is not None
    assert "regular file" in error.message
