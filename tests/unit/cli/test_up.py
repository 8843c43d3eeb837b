"""`vecward up` with real processes in the places of daemon and console."""

from __future__ import annotations

import json
import os
import pwd
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from daemon.cli.up import check_port
from daemon.core.errors import Conflict, Invalid
from tests.support.cli import Vecward
from tests.support.daemons import wait_for
from tests.support.signals import signals_of

# Runs `up` with other commands in the parts' places: argv is a JSON object from part to Python source.
RUN = """
import asyncio, json, sys
from daemon.cli.children import Part
from daemon.cli.up import _run
parts = [Part(name, [sys.executable, "-c", code]) for name, code in json.loads(sys.argv[1]).items()]
sys.exit(asyncio.run(_run(parts, {"socket": "s", "console": "c"}, as_json=True)))
"""
SERVES = "import time; time.sleep(600)"
DRAINS = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
PARENT = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "

Up = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def up() -> Iterator[Up]:
    started: list[subprocess.Popen[str]] = []

    def start(daemon: str = DRAINS, console: str = DRAINS, before: Sequence[str] = ()) -> subprocess.Popen[str]:
        command = [*before, sys.executable, "-c", RUN, json.dumps({"daemon": daemon, "console": console})]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()  # a deaf one holds the pipe that is read to its end below
            process.kill()
        process.communicate()


def pids(process: subprocess.Popen[str]) -> dict[str, int]:
    assert process.stdout is not None
    found: dict[str, int] = json.loads(process.stdout.readline())["pids"]
    return found


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def handles_term(pid: int) -> bool:
    """Tell whether the child got as far as setting its handler."""
    return signal.SIGTERM in signals_of(pid, "SigCgt") | signals_of(pid, "SigIgn")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_both(up: Up, number: signal.Signals) -> None:
    process = up()
    children = pids(process)
    wait_for(lambda: all(map(handles_term, children.values())), what="both handlers")
    process.send_signal(number)
    assert process.wait(10) == 0
    assert all(map(gone, children.values()))


def test_an_ignored_hangup_ends_nothing(up: Up) -> None:
    """nohup starts it so: a terminal that closes is to end nothing."""
    process = up(before=["/bin/sh", "-c", "trap '' HUP; exec \"$@\"", "sh"])
    children = pids(process)
    wait_for(lambda: all(map(handles_term, children.values())), what="both handlers")
    assert signal.SIGHUP in signals_of(process.pid, "SigIgn")
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)  # a second signal that counts would kill the parts
    assert process.wait(10) == 0
    assert all(map(gone, children.values()))


@pytest.mark.parametrize(
    ("daemon", "console", "code"),
    [
        ("raise SystemExit(7)", SERVES, 7),
        (SERVES, "raise SystemExit(5)", 5),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", SERVES, 137),
        ("pass", SERVES, 0),
    ],
)
def test_a_part_that_ends_takes_the_other_along(up: Up, daemon: str, console: str, code: int) -> None:
    process = up(daemon, console)
    children = pids(process)
    assert process.wait(10) == code
    assert all(map(gone, children.values()))
    assert process.stderr is not None
    ended = "console" if console != SERVES else "daemon"
    assert f"vecward: the {ended} ended with code {code}" in process.stderr.read()


def test_kill_9_leaves_nothing(up: Up) -> None:
    process = up(SERVES, DRAINS)
    children = pids(process)
    process.kill()
    process.wait(10)
    wait_for(lambda: all(map(gone, children.values())), what="the end of both")


def test_a_second_signal_does_not_wait_for_a_deaf_part(up: Up) -> None:
    process = up(DEAF, DRAINS)
    children = pids(process)
    wait_for(lambda: all(map(handles_term, children.values())), what="both handlers")
    process.send_signal(signal.SIGTERM)
    wait_for(lambda: gone(children["console"]), what="the console's end")
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 1
    assert gone(children["daemon"])
    assert process.stderr is not None
    assert "cannot end daemon by TERM: killed" in process.stderr.read()


def test_what_a_part_leaves_in_its_group_is_ended_too(up: Up) -> None:
    process = up(PARENT + "time.sleep(600)", SERVES)
    children = pids(process)
    wait_for(lambda: psutil.Process(children["daemon"]).children(), what="the grandchild")
    (left,) = psutil.Process(children["daemon"]).children()
    process.terminate()
    process.wait(10)
    wait_for(lambda: gone(left.pid), what="the grandchild's end")


# Parts that run as another user, which only root can ask for; the kernel's word is in /proc.
# `sleep`, because another user may not get at this interpreter.
RUN_AS = RUN.replace('[sys.executable, "-c", code])', '["sleep", code], "nobody" if name == "console" else None)')


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the console as another user")
def test_the_console_runs_as_its_own_user_and_still_dies_with_up() -> None:
    command = [sys.executable, "-c", RUN_AS, json.dumps({"daemon": "600", "console": "600"})]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        children = pids(process)
        nobody = pwd.getpwnam("nobody")
        console = psutil.Process(children["console"])
        assert set(console.uids()) == {nobody.pw_uid}
        assert set(console.gids()) == {nobody.pw_gid}
        assert "Groups:\t \n" in Path(f"/proc/{console.pid}/status").read_text()
        process.kill()
        wait_for(lambda: all(map(gone, children.values())), what="the end of both")


@pytest.mark.parametrize("part", [["daemon"], ["console"], ["console", "--port", "7000"]], ids=" ".join)
def test_a_part_alone_takes_the_place_of_the_command(
    vecward: Vecward, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: list[str]
) -> None:
    became: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, command: became.append(command))
    vecward("--root", tmp_path, *part)
    module, *more = part
    assert became == [[sys.executable, "-P", "-m", module, "--root", str(tmp_path), *more]]


# --- the console's port ---------------------------------------------------------------------------


def test_a_port_in_use(vecward: Vecward, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Conflict, match="in use"):
            check_port("127.0.0.1", port)
        ended = vecward("--root", tmp_path, "up", "--port", port)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"vecward: conflict: cannot start the console: 127.0.0.1:{port} is in use")


def test_a_port_that_was_just_given_back() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            taken.accept()[0].close()  # leaves TIME_WAIT behind
    with socket.socket() as plain, pytest.raises(OSError, match="in use"):
        plain.bind(("127.0.0.1", port))
    check_port("127.0.0.1", port)


def test_an_address_of_another_host() -> None:
    with pytest.raises(Invalid, match=r"daemon\.yaml"):
        check_port("192.0.2.1", 7860)


def test_a_broken_configuration_starts_nothing(vecward: Vecward, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/daemon.yaml").write_text("console: {prot: 1}\n")
    ended = vecward("--root", tmp_path, "up")
    assert ended.code == 1
    assert "vecward: invalid-config:" in ended.err
    assert [path.name for path in tmp_path.iterdir()] == ["etc"]
