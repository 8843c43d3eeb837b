"""The caller of a request: by the kernel's word, or a console user's name."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest

from daemon.api.rights.authenticate import Authenticator, Headers, UserBase
from daemon.api.rights.connection import Connection
from daemon.api.rights.identity import HasConfig
from daemon.core.config import passwords, users
from daemon.core.config.daemon_config import ConsoleConfig, DaemonConfig
from daemon.core.errors import Forbidden, Unauthenticated
from daemon.core.http.sockets import Peer


@dataclass
class FakeManager:
    config: DaemonConfig = field(default_factory=DaemonConfig)
    tenants: Mapping[str, HasConfig] = field(default_factory=dict)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "users.yaml"
    users.add(path, "demo", "a good password")
    users.add(path, "王芳", "a good password")
    return path


@pytest.fixture
def authenticator(path: Path) -> Authenticator:
    return Authenticator(FakeManager(), UserBase(path))


CONSOLE = Connection("console", Peer(1, os.getuid(), os.getgid()))


def actor(authenticator: Authenticator, *headers: tuple[bytes, bytes]) -> str:
    caller = authenticator.quick(CONSOLE, list(headers))
    assert caller is not None
    return caller.actor


async def test_on_daemon_sock_the_kernel_says_who_calls(authenticator: Authenticator) -> None:
    connection = Connection("daemon", Peer(1, 4_000_001, 4_000_001))
    assert authenticator.quick(connection, []) is None
    assert (await authenticator.slow(connection)).principals == {"uid:4000001"}
    quick = authenticator.quick(connection, [(b"vecward-session", b"ignored")])
    assert quick is not None
    assert quick.actor == "uid:4000001"


@pytest.mark.parametrize("value", [b"demo", b"", b"root"])
def test_on_daemon_sock_nobody_speaks_for_another(authenticator: Authenticator, value: bytes) -> None:
    for peer in (Peer(1, 0, 0), Peer(1, 4_000_001, 4_000_001)):
        with pytest.raises(Forbidden):
            authenticator.quick(Connection("daemon", peer), [(b"vecward-user", value)])


def test_on_console_sock_the_named_user_calls_and_nobody_else(authenticator: Authenticator) -> None:
    caller = authenticator.quick(CONSOLE, [(b"vecward-user", b"demo")])
    assert caller is not None
    assert caller.principals == {"user:demo"}, "the console's own uid must not add to its users' rights"
    assert actor(authenticator, (b"vecward-user", quote("王芳").encode())) == "user:王芳"


DEMO = (b"vecward-user", b"demo")


@pytest.mark.parametrize(
    "headers",
    [
        [],
        *([(b"vecward-user", name)] for name in (b"", b"nobody", b"DEMO", b"demo%20", b"%ff%fe", b"\xff")),
        [DEMO, DEMO],
        *([DEMO, (b"vecward-session", session)] for session in (b"", b"0" * 32, b"\xff")),
    ],
)
def test_on_console_sock_without_a_known_user_nobody_gets_in(authenticator: Authenticator, headers: Headers) -> None:
    with pytest.raises(Unauthenticated):
        authenticator.quick(CONSOLE, headers)


def test_a_session_ends_with_its_password(authenticator: Authenticator, path: Path) -> None:
    session = passwords.session_of("demo", users.load(path)["demo"]).encode()
    assert actor(authenticator, (b"vecward-user", b"demo"), (b"vecward-session", session)) == "user:demo"
    users.set_password(path, "demo", "another password")
    with pytest.raises(Unauthenticated):
        actor(authenticator, (b"vecward-user", b"demo"), (b"vecward-session", session))


def test_a_removed_user_is_out_at_once(authenticator: Authenticator, path: Path) -> None:
    assert actor(authenticator, (b"vecward-user", b"demo")) == "user:demo"
    users.remove(path, "demo")
    with pytest.raises(Unauthenticated):
        actor(authenticator, (b"vecward-user", b"demo"))


@pytest.mark.parametrize("damage", ["users: [", "users: {demo: {hash: plain}}", "users: {demo: {}}", "demo: x", "\x00"])
def test_a_broken_file_lets_nobody_in_and_the_log_says_why(
    authenticator: Authenticator, path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert actor(authenticator, (b"vecward-user", b"demo")) == "user:demo"
    path.write_text(damage)
    with caplog.at_level(logging.ERROR), pytest.raises(Unauthenticated):
        actor(authenticator, (b"vecward-user", b"demo"))
    assert [record.message for record in caplog.records] == ["users-refused"]
    assert str(path) in vars(caplog.records[0])["reason"]


def test_a_file_that_others_may_read_lets_nobody_in(authenticator: Authenticator, path: Path) -> None:
    path.chmod(0o640)
    with pytest.raises(Unauthenticated):
        actor(authenticator, (b"vecward-user", b"demo"))
    path.chmod(0o600)
    assert actor(authenticator, (b"vecward-user", b"demo")) == "user:demo"


def test_console_sock_is_for_the_consoles_uid(path: Path) -> None:
    manager = FakeManager(DaemonConfig(console=ConsoleConfig(user="games")))
    authenticator = Authenticator(manager, UserBase(path))
    for uid in {0, os.getuid(), 5}:  # 5: games, on Debian
        assert authenticator.quick(Connection("console", Peer(1, uid, uid)), [(b"vecward-user", b"demo")])
    with pytest.raises(Forbidden):
        authenticator.quick(Connection("console", Peer(1, 4_000_001, 0)), [(b"vecward-user", b"demo")])


def test_a_console_user_named_root_is_not_root(path: Path) -> None:
    users.add(path, "root", "a good password")
    manager = FakeManager(DaemonConfig(admins=["uid:0", "linux:root", "group:root"]))
    caller = Authenticator(manager, UserBase(path)).quick(CONSOLE, [(b"vecward-user", b"root")])
    assert caller is not None
    assert not caller.identity.is_admin(manager.config)
