"""Reading of logs by a group: what the ACL says in the end, and what a host without it is told."""

from __future__ import annotations

import grp
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from daemon.core.errors import StartRefused
from daemon.supervisor.logs.access import let_group_read

GROUP = grp.getgrgid(os.getgid()).gr_name


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Make a folder of logs with one file, on a file system with ACLs."""
    folder = tmp_path / "log"
    (folder / "tenants").mkdir(parents=True)
    (folder / "tenants" / "acme.log").touch(mode=0o640)
    tool = shutil.which("setfacl")
    if tool is None or subprocess.run([tool, "-m", "u::rwx", str(folder)], capture_output=True, check=False).returncode:
        pytest.skip("setfacl is missing, or the folder of tests is on a file system without ACLs")
    return folder


def rights(path: Path) -> set[str]:
    """Return what the ACL gives to named groups, and to whatever is made below."""
    done = subprocess.run(
        ["getfacl", "--omit-header", "--absolute-names", "--no-effective", str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    return {line for line in done.stdout.split() if f"group:{GROUP}:" in line}


async def test_a_group_reads_what_is_there_and_what_comes(logs: Path) -> None:
    await let_group_read(logs, GROUP)
    for folder in (logs, logs / "tenants"):
        assert rights(folder) == {f"group:{GROUP}:r-x", f"default:group:{GROUP}:r-x"}
    assert rights(logs / "tenants" / "acme.log") == {f"group:{GROUP}:r--"}
    (logs / "later").mkdir()
    assert f"default:group:{GROUP}:r-x" in rights(logs / "later")


async def test_a_link_in_the_folder_leads_nowhere(logs: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (logs / "link").symlink_to(tmp_path / "data")
    await let_group_read(logs, GROUP)
    assert rights(tmp_path / "data") == set()


async def test_an_unknown_group_is_refused_with_the_way_out(logs: Path) -> None:
    with pytest.raises(StartRefused, match=r"cannot let the group no-such-group read .*; name a group of this host"):
        await let_group_read(logs, "no-such-group")


async def test_a_host_without_setfacl_is_told_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StartRefused, match=r"setfacl is missing; install the package acl, or remove logs.group"):
        await let_group_read(tmp_path, GROUP)
