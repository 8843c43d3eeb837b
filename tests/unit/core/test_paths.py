"""Paths from one root, the same for the daemon and for every command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from daemon.cli import model_children
from daemon.core.config.daemon_config import DaemonConfig
from daemon.core.errors import StartRefused
from daemon.core.paths import Paths
from daemon.supervisor.manager import Manager
from tests.support.cli import Vecward

FILE = "encoder: {backend: fake}\n"


@pytest.mark.parametrize(
    ("chosen", "folder"), [(None, "/r/etc/tenants.d"), ("mine", "/r/etc/mine"), ("/srv/tenants", "/srv/tenants")]
)
def test_tenants_dir_is_below_etc_unless_absolute(chosen: str | None, folder: str) -> None:
    assert Paths.under(Path("/r")).tenants_dir(chosen) == Path(folder)


async def test_daemon_and_commands_mean_the_same_tenants_dir(
    vecward: Vecward, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative `tenants_dir` has nothing to do with the folder in which a command is given."""
    paths = Paths.under(tmp_path / "root")
    paths.tenants_dir("mine").mkdir(parents=True)
    (paths.tenants_dir("mine") / "acme.yaml").write_text(FILE)
    paths.daemon_yaml.write_text("tenants_dir: mine\n")
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "mine").mkdir(parents=True)
    monkeypatch.chdir(elsewhere)

    checks = json.loads(vecward("--root", tmp_path / "root", "doctor", "--json").out)
    found = next(check for check in checks["checks"] if check["name"] == "tenants")
    assert found["words"] == f"1 good files in {paths.tenants_dir('mine')}"
    with pytest.raises(StartRefused, match="cannot do that for acme: its backend fake"):
        model_children.verify(paths, "acme", files_only=True)
    paths.state.mkdir(exist_ok=True)
    manager = Manager(paths, DaemonConfig(tenants_dir="mine"))
    assert list(manager.folder.read()) == ["acme"]
    manager.state_db.close()
