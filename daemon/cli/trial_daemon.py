"""A daemon on a temporary root, for what `vecward doctor` tries out; it ends with the trial."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.supervisor.isolation.sandbox import SOURCE_ROOT

OUTPUT = "daemon-output"
_STOP_S = 60.0


@contextmanager
def trial_daemon(root: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `python -m daemon --root ROOT`; what it prints goes to ROOT/daemon-output."""
    with (root / OUTPUT).open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  (ours)
            [sys.executable, "-m", "daemon", "--root", str(root)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=trial_environment(),
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def trial_environment() -> dict[str, str]:
    """The caller's environment for processes of a trial: this code, and no GPU chosen beforehand."""
    kept = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    return {**kept, "PYTHONPATH": str(SOURCE_ROOT)}
