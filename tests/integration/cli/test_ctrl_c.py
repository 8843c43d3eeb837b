"""Commands that go on until they are done or Ctrl-C comes: following, imports."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
from pathlib import Path

import pytest

from daemon.client import Client
from tests.conftest import StartDaemon
from tests.support.daemons import RunningDaemon, fake_tenant, wait_for
from tests.support.shell import Shell

MANY = "".join(f"entry number {number} of many\n" for number in range(4000))


@pytest.mark.parametrize("what", [["events", "-f", "--after", "0"], ["logs", "acme", "-f", "--tail", "1000"]])
def test_following_shows_what_happens_and_ends_with_ctrl_c(
    daemon: RunningDaemon, shell: Shell, what: list[str]
) -> None:
    process = shell.start(*what, "--json")
    assert process.stdout is not None
    json.loads(process.stdout.readline())  # what was there before: it follows from here on
    with daemon.client() as client:
        events, lines = client.events(after=0, limit=1000).events, client.logs("acme", 1000).lines
    before = len(events if what[0] == "events" else lines)
    shell.json("restart", "acme")
    for _ in range(before):  # the first was read above, so the last of these is new
        json.loads(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (130, "")


def test_import_and_export_give_the_same(shell: Shell) -> None:
    ended = shell.run("entries", "import", "acme", "-", stdin=MANY)
    assert ended.returncode == 0
    assert ended.stdout.startswith("added 4000, refused 0; revision ")
    assert shell.run("entries", "export", "acme", "--format", "txt").stdout == MANY
    again = shell.run("entries", "import", "acme", "-", stdin=MANY)
    assert again.returncode == 1
    assert "vecward: … and 3900 more were refused" in again.stderr


@pytest.fixture
def slow_shell(start_daemon: StartDaemon) -> Shell:
    encoder = {"backend": "fake", "fake": {"delay_ms": 20}, "batch_tokens": 64}
    return Shell(start_daemon({"acme": fake_tenant(encoder=encoder)}).ready("acme").root)


def test_ctrl_c_cancels_an_import(slow_shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "many.txt"
    file.write_text(MANY)
    process = slow_shell.start("entries", "import", "acme", file)
    with Client(Path(slow_shell.command[2]) / "run/daemon.sock") as client:
        wait_for(lambda: client.entries("acme", limit=1).total, what="the first entries")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
        assert process.returncode == 130
        assert "vecward: the import was cancelled" in said
        left = client.entries("acme", limit=1).total
        assert 0 < left < 4000
        assert client.import_entries("acme", b"another sentence\n", "text/plain").state == "running"


def test_an_import_shows_its_progress_on_a_terminal(slow_shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "some.txt"
    file.write_text("\n".join(MANY.splitlines()[:600]))
    master, slave = pty.openpty()
    command = [*slow_shell.command, "entries", "import", "acme", str(file), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=slave, text=True) as process:
        os.close(slave)
        drawn = read_all(master)
        assert process.stdout is not None
        assert json.loads(process.stdout.read())["operation"]["result"]["added"] == 600
    assert "importing" in drawn
    assert re.search(r"\d+/600", drawn)


def read_all(master: int) -> str:
    drawn = b""
    try:
        while chunk := os.read(master, 4096):
            drawn += chunk
    except OSError:  # EIO: the last one that had the terminal closed it
        pass
    finally:
        os.close(master)
    return drawn.decode(errors="replace")
