"""Linux users of tenants, made by the real useradd and its like in account files of the test's own."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from daemon.core.errors import InternalError, StartRefused
from daemon.supervisor.isolation import linux_users
from daemon.supervisor.isolation.linux_users import LinuxUsers

TOOLS = ("useradd", "userdel", "groupadd", "groupdel")
OURS = "vw-acme:x:20000:20000::/nonexistent:/usr/sbin/nologin\n"
OUR_GROUP = "vw-acme:x:20000:\n"


@dataclass
class Clock:
    """A clock on which only waits take time; `after` happens while somebody waits."""

    now: float = 0.0
    after: Callable[[], object] = field(default=lambda: None)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.after()


class Host:
    """Account files below a folder, and the tools that change them."""

    def __init__(self, folder: Path) -> None:
        self.etc, self.tools = folder / "etc", folder / "sbin"
        self.etc.mkdir()
        self.tools.mkdir()
        self.clock = Clock()
        self.write("root:x:0:0:root:/root:/bin/sh\n", "root:x:0:\n")
        for tool in TOOLS:
            place = shutil.which(tool, path="/usr/sbin:/usr/bin:/sbin:/bin")
            if place is None:
                pytest.skip(f"{tool} is missing; install the package passwd")
            self.replace(tool, f'exec {place} --prefix {shlex.quote(str(folder))} "$@"')

    def write(self, passwd: str, group: str) -> None:
        (self.etc / "passwd").write_text(passwd)
        (self.etc / "group").write_text(group)

    def replace(self, tool: str, script: str) -> None:
        (self.tools / tool).write_text(f"#!/bin/sh\n{script}\n")
        (self.tools / tool).chmod(0o755)

    def accounts(self, file: str) -> dict[str, list[str]]:
        rows = [line.split(":") for line in (self.etc / file).read_text().splitlines()]
        return {row[0]: row[2:] for row in rows if row[0] != "root"}

    def lock(self, tool: str) -> Path:
        """Let the tool say that the files are locked until the returned one is gone; the real one waits 15 s."""
        lock = self.etc / "lock"
        lock.touch()
        real = (self.tools / tool).read_text().splitlines()[-1]
        self.replace(tool, f"[ -e {shlex.quote(str(lock))} ] && echo {tool}: cannot lock /etc/x >&2 && exit 1\n{real}")
        return lock

    # What the host's own modules tell, of these files.

    def getpwnam(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(pw_uid=int(self.accounts("passwd")[name][0]))

    def getgrnam(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(gr_gid=int(self.accounts("group")[name][0]))


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host(tmp_path)
    monkeypatch.setitem(linux_users._ENVIRONMENT, "PATH", str(made.tools))
    monkeypatch.setattr(linux_users, "pwd", made)
    monkeypatch.setattr(linux_users, "grp", made)
    monkeypatch.setattr(linux_users, "time", made.clock)
    return made


def ensure(uid: int = 20_000, given: Collection[int] = (20_000,)) -> None:
    LinuxUsers().ensure("acme", uid, given)


def remove(given: Collection[int] = (20_000,)) -> None:
    LinuxUsers().remove("acme", given)


def numbers(host: Host) -> tuple[list[str], list[str]]:
    """Return the numbers of the users and of the groups beside root's."""
    return (
        [row[0] for row in host.accounts("passwd").values()],
        [row[0] for row in host.accounts("group").values()],
    )


# --- made and removed -----------------------------------------------------------------------------------------


def test_a_user_is_like_nobody_and_stays(host: Host) -> None:
    ensure()
    made = ["20000", "20000", "an encoder of vecward", "/nonexistent", "/usr/sbin/nologin"]
    assert host.accounts("passwd") == {"vw-acme": made}
    assert host.accounts("group") == {"vw-acme": ["20000", ""]}
    for tool in TOOLS:
        host.replace(tool, "exit 1")
    ensure()  # asks none of them
    assert numbers(host) == (["20000"], ["20000"])


@pytest.mark.parametrize("with_group", ["yes", "no"])
def test_user_and_group_go(host: Host, with_group: str) -> None:
    """The host's login.defs says whether userdel takes the group along or leaves it to groupdel."""
    (host.etc / "login.defs").write_text(f"USERGROUPS_ENAB {with_group}\n")
    ensure()
    remove()
    assert numbers(host) == ([], [])
    remove()  # nothing is left to do
    assert numbers(host) == ([], [])


@pytest.mark.parametrize(("passwd", "group"), [(OURS, OUR_GROUP), (OURS, ""), ("", OUR_GROUP)])
def test_what_is_left_of_an_earlier_one_is_made_anew(host: Host, passwd: str, group: str) -> None:
    host.write(passwd, group)
    ensure(20_001, given=(20_000, 20_001))
    assert numbers(host) == (["20001"], ["20001"])


@pytest.mark.parametrize(
    ("passwd", "group", "number"),
    [(OURS.replace("20000", "1234"), OUR_GROUP, 1234), ("", OUR_GROUP.replace("20000", "77"), 77)],
)
def test_an_account_of_somebody_elses_stays(host: Host, passwd: str, group: str, number: int) -> None:
    host.write(passwd, group)
    with pytest.raises(StartRefused, match=f"vw-acme with the number {number}, which vecward did not give it"):
        ensure()
    remove()
    assert [(host.etc / file).read_text() for file in ("passwd", "group")] == [passwd, group]


# --- failures -------------------------------------------------------------------------------------------------


def test_a_missing_tool_is_named_with_its_package(host: Host) -> None:
    (host.tools / "useradd").unlink()
    with pytest.raises(StartRefused, match="useradd is missing; install the package passwd"):
        ensure()


@pytest.mark.parametrize(("script", "said"), [("echo no more users >&2; exit 9", "no more users"), ("exit 9", "9")])
def test_a_failure_is_told_in_the_tools_words(host: Host, script: str, said: str) -> None:
    host.replace("groupadd", script)
    with pytest.raises(StartRefused, match=f"^cannot run groupadd for tenant acme: .*{said}$"):
        ensure()
    assert host.clock.now == 0  # it is not tried again


def test_a_user_that_cannot_be_removed_is_an_error_of_the_daemons(host: Host) -> None:
    ensure()
    host.replace("userdel", "echo it is logged in >&2; exit 8")
    with pytest.raises(InternalError, match="cannot run userdel for tenant acme: it is logged in"):
        remove()
    assert numbers(host) == (["20000"], ["20000"])


def test_files_that_somebody_changes_are_waited_for(host: Host) -> None:
    host.clock.after = host.lock("useradd").unlink
    ensure()
    assert host.clock.now > 0
    assert numbers(host) == (["20000"], ["20000"])


def test_files_that_stay_locked_are_waited_for_a_while(host: Host) -> None:
    host.lock("groupadd")
    with pytest.raises(StartRefused, match="groupadd: cannot lock"):
        ensure()
    assert host.clock.now > linux_users._LOCK_WAIT_S
