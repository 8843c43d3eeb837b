"""users.yaml: names, hashes, and edits that never leave half a file."""

from __future__ import annotations

import os
import stat
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from daemon.core.config import passwords, users
from daemon.core.errors import Conflict, Invalid, InvalidConfig, NotFound

PASSWORD = "correct horse"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "etc" / "users.yaml"


def test_a_user_is_added_verified_changed_and_removed(path: Path) -> None:
    users.add(path, "demo", PASSWORD)
    first = users.load(path)["demo"]
    assert passwords.verify(first, PASSWORD)
    assert not passwords.verify(first, PASSWORD + "!")
    users.set_password(path, "demo", "battery staple")
    second = users.load(path)["demo"]
    assert passwords.verify(second, "battery staple")
    assert not passwords.verify(second, PASSWORD)
    assert passwords.session_of("demo", first) != passwords.session_of("demo", second)
    users.remove(path, "demo")
    assert users.load(path) == {}


def test_no_file_is_no_users(path: Path) -> None:
    assert users.load(path) == {}


def test_the_file_is_its_owners_alone(path: Path) -> None:
    users.add(path, "demo", PASSWORD)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["users.yaml"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_an_edit_by_root_leaves_the_file_its_owner(path: Path) -> None:
    path.parent.mkdir()
    os.chown(path.parent, 4_000_001, 4_000_001)
    users.add(path, "demo", PASSWORD)
    assert path.stat().st_uid == 4_000_001
    os.chown(path, 4_000_002, 4_000_002)
    users.add(path, "other", PASSWORD)
    assert path.stat().st_uid == 4_000_002


def test_edits_at_once_all_count(path: Path) -> None:
    names = [f"user{number}" for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda name: users.add(path, name, PASSWORD), names))
    assert sorted(users.load(path)) == sorted(names)


def test_refusals(path: Path) -> None:
    users.add(path, "demo", PASSWORD)
    with pytest.raises(Conflict):
        users.add(path, "demo", PASSWORD)
    with pytest.raises(NotFound):
        users.set_password(path, "nobody", PASSWORD)
    with pytest.raises(NotFound):
        users.remove(path, "nobody")
    with pytest.raises(Invalid):
        users.add(path, "short", "seven77")
    with pytest.raises(Invalid) as caught:
        users.add(path, "long", "x" * 1025)
    assert "xxx" not in str(caught.value.details)
    assert sorted(users.load(path)) == ["demo"]


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "a:b", "a/b", "a\nb", "a\u200bb", "a\u202eb", "\x00", "a" * 65, "\ud800", "a\u00a0b"]
)
def test_names_that_nobody_could_tell_apart_or_write_are_refused(name: str) -> None:
    with pytest.raises(Invalid):
        users.check_user_name(name)


@pytest.mark.parametrize("name", ["demo", "王芳", "o'neil", "a@example.org", "Ünal", "..", "root"])
def test_names_of_people_are_taken(name: str) -> None:
    assert users.check_user_name(unicodedata.normalize("NFD", name)) == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("users: [demo]", "users"),
        ("users: {demo: {hash: x}}", "users.demo.hash"),
        (f"users: {{demo: {{hash: '{passwords.NO_USER_HASH.replace('argon2id', 'argon2i')}'}}}}", "users.demo.hash"),
        (f"users: {{demo: {{hash: '{passwords.NO_USER_HASH.replace('m=19', 'm=9919')}'}}}}", "users.demo.hash"),
        ("users: {demo: {password: x}}", "users.demo"),
        ("users: {demo: {hash: x}, demo: {hash: y}}", "demo"),
        ("users: {'a b': {hash: '" + passwords.NO_USER_HASH + "'}}", "name"),
        ("{", "syntax"),
    ],
)
def test_a_broken_file_is_refused_with_the_place(path: Path, text: str, word: str) -> None:
    path.parent.mkdir()
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(InvalidConfig) as caught:
        users.load(path)
    assert str(path) in caught.value.message
    assert word in caught.value.message


def test_an_edit_does_not_overwrite_a_broken_file(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("users: {demo: {hash: x}}")
    path.chmod(0o600)
    with pytest.raises(InvalidConfig):
        users.add(path, "other", PASSWORD)
    assert path.read_text() == "users: {demo: {hash: x}}"


def test_a_file_open_to_others_is_refused_with_the_way_out(path: Path) -> None:
    users.add(path, "demo", PASSWORD)
    path.chmod(0o644)
    with pytest.raises(InvalidConfig, match="chmod 600"):
        users.load(path)
