"""Commands on console users, which need no daemon."""

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
