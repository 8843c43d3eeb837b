"""Data folders that a hostile tenant has prepared: what root does to them stays inside them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from daemon.core.errors import InternalError, StartRefused
from daemon.supervisor.isolation.data_folders import DataFolder, as_tenant
from daemon.supervisor.isolation.sandbox import Sandbox, write_accounts
from tests.isolation.conftest import needs_root

pytestmark = needs_root

UID, OTHER = 29_990, 29_991


@pytest.fixture
def root() -> Iterator[Path]:
    with TemporaryDirectory(prefix="vw-") as folder:
        yield Path(folder)


@pytest.fixture
def home(root: Path) -> DataFolder:
    return DataFolder("acme", root / "tenants" / "acme", root / "run" / "sandbox" / "acme")


def _as(uid: int, script: str, cwd: Path) -> None:
    """Runs code as the tenant, in its folder."""
    command = ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "sh", "-ec", script]
    subprocess.run(command, cwd=cwd, check=True)


def _dig(folder: Path) -> None:
    """Folders in folders, of more characters than any path may have."""
    fd = os.open(folder, os.O_RDONLY)
    for _ in range(400):
        os.mkdir("deeper-and-deeper", dir_fd=fd)
        inner = os.open("deeper-and-deeper", os.O_RDONLY, dir_fd=fd)
        os.fchown(inner, UID, UID)
        os.close(fd)
        fd = inner
    os.close(fd)


def _owner(path: Path) -> int:
    return path.lstat().st_uid


def test_a_new_folder_is_the_tenants_alone(home: DataFolder) -> None:
    home.give_to(UID)
    assert (_owner(home.data), home.data.stat().st_mode & 0o7777) == (UID, 0o700)
    for mode in (0o600, 0o777):  # made of it by whomever: its encoder gets in again, and nobody else
        home.data.chmod(mode)
        home.give_to(UID)
        assert home.data.stat().st_mode & 0o7777 == 0o700


def test_a_folder_that_is_none_is_refused(home: DataFolder, root: Path) -> None:
    (root / "elsewhere").mkdir()
    home.data.parent.mkdir(parents=True)
    home.data.symlink_to(root / "elsewhere")
    with pytest.raises(StartRefused, match="it is not a folder"):
        home.give_to(UID)
    assert _owner(root / "elsewhere") == 0


def test_what_a_root_encoder_wrote_becomes_the_tenants(home: DataFolder) -> None:
    (home.data / "index").mkdir(parents=True)
    (home.data / "index" / "file").write_text("x")
    home.give_to(UID)
    assert {_owner(path) for path in [home.data, *home.data.rglob("*")]} == {UID}
    assert home.data.stat().st_mode & 0o7777 == 0o700


def test_changing_owners_follows_no_link(home: DataFolder, root: Path) -> None:
    outside = root / "roots-file"
    outside.write_text("root's")
    folder = root / "roots-folder"
    folder.mkdir()
    (folder / "inner").write_text("root's")
    home.give_to(UID)
    _as(UID, f"ln -s {outside} to-file; ln -s {folder} to-folder; ln -s / to-root", home.data)
    _as(UID, "mkdir -p a/b; touch a/b/c", home.data)
    home.give_to(OTHER)
    assert {_owner(path) for path in [home.data, *home.data.rglob("*")]} == {OTHER}
    assert {_owner(path) for path in (outside, folder, folder / "inner", Path("/etc/passwd"))} == {0}


def test_a_second_name_of_roots_file_keeps_its_owner(home: DataFolder, root: Path) -> None:
    """A tenant's own uid could make one on the host where fs.protected_hardlinks is off."""
    outside = root / "roots-file"
    outside.write_text("root's")
    home.give_to(UID)
    (home.data / "planted").hardlink_to(outside)
    home.give_to(OTHER)
    assert (_owner(outside), _owner(home.data)) == (0, OTHER)


def test_strict_after_process_isolation(home: DataFolder) -> None:
    """Files of root lie in the tenant's folder after an encoder that ran as root without a sandbox."""
    home.give_to(UID)
    _as(UID, "touch mine", home.data)
    home.take_back()
    (home.data / "roots").write_text("x")
    home.give_to(UID)
    assert {_owner(path) for path in [home.data, *home.data.rglob("*")]} == {UID}


def test_purging_follows_no_link(home: DataFolder, root: Path) -> None:
    outside = root / "keep"
    outside.mkdir()
    (outside / "file").write_text("keep me")
    home.give_to(UID)
    _as(UID, f"ln -s {outside} a; ln -s {outside}/file b; ln -s {root} c; mkdir d; ln -s ../../.. d/up", home.data)
    home.destroy()
    assert not home.data.exists()
    assert (outside / "file").read_text() == "keep me"


def test_purging_gets_through_locked_and_deep_folders(home: DataFolder) -> None:
    home.give_to(UID)
    _as(UID, "mkdir -p closed/inner; touch closed/inner/f; chmod 000 closed/inner closed", home.data)
    _dig(home.data)
    home.destroy()
    assert not home.data.exists()


def test_handing_over_gets_through_deep_folders(home: DataFolder) -> None:
    home.give_to(UID)
    _dig(home.data)
    home.give_to(OTHER)
    left = subprocess.run(["find", home.data, "!", "-uid", str(OTHER)], capture_output=True, text=True, check=True)
    assert left.stdout == ""
    home.destroy()


def test_purging_what_root_wrote(home: DataFolder, root: Path) -> None:
    home.data.mkdir(parents=True)
    (home.data / "file").write_text("x")
    (home.data / "up").symlink_to(root)
    home.destroy()
    assert not home.data.exists()
    assert root.exists()


def test_a_chore_sees_the_tenants_folder_and_nothing_else(home: DataFolder, root: Path) -> None:
    (root / "tenants" / "other").mkdir(parents=True)
    home.give_to(UID)
    write_accounts(home.accounts, "acme", UID, home.data)
    sandbox = Sandbox(UID, home.data, home.accounts)
    assert as_tenant(sandbox, ["id", "-nu"]) == "vw-acme\n"
    assert as_tenant(sandbox, ["ls", str(root), str(root / "tenants")]).split() == [
        f"{root}:",
        "tenants",
        f"{root}/tenants:",
        "acme",
    ]
    assert as_tenant(sandbox, ["cat", "/etc/passwd"]).startswith("vw-acme:x:")
    with pytest.raises(InternalError, match="cannot finish ls"):
        as_tenant(sandbox, ["ls", "/root/.ssh"])


def test_a_chore_that_does_not_end_is_ended(home: DataFolder) -> None:
    home.give_to(UID)
    write_accounts(home.accounts, "acme", UID, home.data)
    with pytest.raises(InternalError, match=r"within 0\.2 s"):
        as_tenant(Sandbox(UID, home.data, home.accounts), ["sleep", "100"], timeout_s=0.2)


def test_without_root_a_folder_is_simply_removed(home: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    home.data.mkdir(parents=True)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    home.destroy()
    assert not home.data.exists()
