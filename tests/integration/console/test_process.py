"""The console as a process of its own: what it says when something is missing."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.support.daemons import CHECKOUT, wait_for

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str) -> subprocess.Popen[str]:
        with (tmp_path / "stderr").open("w") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "console", "--root", str(tmp_path), *arguments],
                cwd=CHECKOUT,
                env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
                text=True,
                stderr=stderr,
            )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()


def _port(tmp_path: Path) -> int:
    def said() -> int | None:
        lines = (json.loads(line) for line in (tmp_path / "stderr").read_text().splitlines() if line.startswith("{"))
        return next((line["port"] for line in lines if line["event"] == "console-listening"), None)

    return wait_for(said, 60, "the console's port") or 0


def test_without_a_daemon_it_says_so_and_it_ends_when_asked(start: Start, tmp_path: Path) -> None:
    process = start("--port", "0")
    url = f"http://127.0.0.1:{_port(tmp_path)}/signin"
    with urlopen(url, timeout=20) as answer:
        assert answer.status == 200
    with pytest.raises(HTTPError) as refused:
        urlopen(Request(url, b"name=demo&password=x", {"Accept-Language": "zh"}), timeout=5)
    with refused.value as refusal:
        assert refusal.code == 503
        assert "服务没有响应" in refusal.read().decode()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=15) in (0, -signal.SIGTERM)
    assert "Traceback" not in (tmp_path / "stderr").read_text()


def test_a_port_in_use_is_said_in_words(start: Start, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = start("--port", str(taken.getsockname()[1]))
        assert process.wait(timeout=60) == 1
    said = (tmp_path / "stderr").read_text()
    assert "another process uses it; choose another with --port" in said
    assert "Traceback" not in said


def test_a_broken_configuration_is_said_in_words(start: Start, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "daemon.yaml").write_text("console: {port: eighty}\n")
    assert start().wait(timeout=60) == 1
    assert "console.port" in (tmp_path / "stderr").read_text()
