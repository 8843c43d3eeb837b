"""The command `vecward up` with the real daemon and console."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from daemon.client import Client
from daemon.core.errors import VecwardError
from tests.conftest import StartDaemon
from tests.support.daemons import fake_tenant, wait_for
from tests.support.shell import VECWARD


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        found: int = probe.getsockname()[1]
        return found


@pytest.fixture
def up(start_daemon: StartDaemon, port: int) -> Iterator[subprocess.Popen[str]]:
    """`vecward up` whose daemon and console both answer."""
    root = start_daemon({"acme": fake_tenant()}, start=False).root
    log = root / "up-output"
    with log.open("w") as output:
        command = [str(VECWARD), "--root", str(root), "up", "--port", str(port)]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, text=True)
    try:
        wait_for(lambda: answers(process, root, port, log), 60, "daemon and console")
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30)


def answers(process: subprocess.Popen[str], root: Path, port: int, log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        with Client(root / "run/daemon.sock") as client:
            ready = client.tenant("acme").state == "ready"
        with socket.create_connection(("127.0.0.1", port), 1):
            return ready
    except (VecwardError, OSError):
        return False


def family(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Every process below `up`: daemon, console, encoder."""
    found = psutil.Process(process.pid).children(recursive=True)
    assert len(found) >= 3
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_up_ends_with_everything_it_started(up: subprocess.Popen[str], number: signal.Signals) -> None:
    children = family(up)
    up.send_signal(number)
    assert up.wait(30) == (-number if number == signal.SIGKILL else 0)
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []


def test_up_ends_when_the_daemon_does(up: subprocess.Popen[str]) -> None:
    children = family(up)
    parts = psutil.Process(up.pid).children()
    daemon = next(child for child in parts if child.cmdline()[2:4] == ["-m", "daemon"])
    daemon.kill()
    assert up.wait(30) == 128 + signal.SIGKILL
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
