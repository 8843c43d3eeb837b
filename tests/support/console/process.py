"""The console as its own process in front of a real daemon."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.daemons import CHECKOUT, RunningDaemon, wait_for


@contextmanager
def running_console(daemon: RunningDaemon) -> Iterator[str]:
    """Run a console, and give its address, such as http://127.0.0.1:34567, with the port that its log names."""
    output = daemon.root / "console-output"
    with output.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "console", "--root", str(daemon.root), "--port", "0"],
            cwd=CHECKOUT,
            stdout=stream,
            stderr=stream,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        )

    def port() -> int | None:
        assert process.poll() is None, f"the console has ended:\n{output.read_text()}"
        lines = (json.loads(line) for line in output.read_text().splitlines() if line.startswith("{"))
        return next((line["port"] for line in lines if line["event"] == "console-listening"), None)

    try:
        yield f"http://127.0.0.1:{wait_for(port, 90, 'the port in its log')}"
    finally:
        process.terminate()
        process.wait(timeout=20)
