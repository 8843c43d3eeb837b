"""Real daemons for tests: started as a user starts them, ended with everything they made."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil

from daemon.client import Client
from daemon.core.encoder_protocol.progress_page import ProgressReader
from daemon.core.errors import VecwardError
from daemon.core.paths import Paths
from daemon.core.wire import TenantView

CHECKOUT = Path(__file__).resolve().parents[2]
START_DEADLINE_S = 60.0

T = TypeVar("T")


def wait_for(condition: Callable[[], T], deadline_s: float = 20.0, what: str = "the condition") -> T:
    """The first true value of `condition`; fails after `deadline_s` with the last value."""
    end = time.monotonic() + deadline_s
    pause = 0.005
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true within {deadline_s:g} s; last: {value!r}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def fake_tenant(**changes: Any) -> dict[str, Any]:
    """A tenant on the shipped fake encoder; `changes` replace or extend whole sections."""
    me = f"uid:{os.getuid()}"
    tenant: dict[str, Any] = {"encoder": {"backend": "fake"}, "access": {"admins": [me]}}
    for key, value in changes.items():
        merged = isinstance(value, dict) and isinstance(tenant.get(key), dict)
        tenant[key] = {**tenant[key], **value} if merged else value
    return tenant


class RunningDaemon:
    """A daemon under a temporary root. `restart` and `kill` are what a machine does to it."""

    module = "daemon"  # what `python -m` runs

    def __init__(self, root: Path, config: dict[str, Any], tenants: Mapping[str, dict[str, Any] | str]) -> None:
        self.root = root
        self.paths = Paths.under(root)
        self.process: subprocess.Popen[bytes] | None = None
        self._output = root / "daemon-output"
        self.paths.tenants_d.mkdir(parents=True)
        self.paths.daemon_yaml.write_text(json.dumps({"isolation": "process", **config}))
        for name, tenant in tenants.items():
            self.write_tenant(name, tenant)

    def write_tenant(self, name: str, tenant: dict[str, Any] | str) -> Path:
        """JSON is YAML, too; a str is written as it is."""
        path = self.paths.tenants_d / f"{name}.yaml"
        path.write_text(tenant if isinstance(tenant, str) else json.dumps(tenant, ensure_ascii=False))
        return path

    def start(self) -> RunningDaemon:
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "error", "-m", self.module, "--root", str(self.root)],
                cwd=CHECKOUT,
                stdout=output,
                stderr=output,
                env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
            )
        wait_for(self._answers, START_DEADLINE_S, "the daemon's answer")
        return self

    def _answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon ended with {self.process.returncode}:\n{self.output()}")
        try:
            with self.client() as client:
                client.health()
        except (VecwardError, OSError):
            return False
        return True

    def client(self) -> Client:
        return Client(self.paths.daemon_socket)

    def output(self) -> str:
        return self._output.read_text() if self._output.exists() else ""

    def tenant(self, name: str) -> TenantView:
        with self.client() as client:
            return client.tenant(name)

    def warnings(self, name: str) -> str:
        """The words of all."""
        return "; ".join(self.tenant(name).warnings.values())

    def wait_state(self, name: str, *states: str, deadline_s: float = 60.0) -> TenantView:
        """The tenant's view once its state is one of `states`; a `failed` nobody waits for fails at once."""

        def look() -> TenantView | None:
            view = self.tenant(name)
            if view.state in states:
                return view
            if view.state == "failed":
                raise AssertionError(f"{name} has failed: {view.reason}\n{self.encoder_log(name)}")
            return None

        return wait_for(look, deadline_s, f"{name} in state {'/'.join(states)}")

    def ready(self, *names: str) -> RunningDaemon:
        for name in names:
            self.wait_state(name, "ready")
        return self

    def encoder_log(self, name: str) -> str:
        path = self.paths.tenant(name).encoder_log
        return path.read_text() if path.exists() else ""

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.signal()
        return self.process.wait(timeout=30)

    def kill(self) -> None:
        """kill -9, as the kernel's out-of-memory killer does it."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(timeout=10)

    def children(self) -> list[psutil.Process]:
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)


def alive(process: psutil.Process) -> bool:
    """A zombie has ended: when it is reaped is the affair of whoever has inherited it."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _see_off(processes: list[psutil.Process], deadline_s: float) -> None:
    """Waits until they have ended; kills what has not."""
    end = time.monotonic() + deadline_s
    while left := [process for process in processes if alive(process)]:
        if time.monotonic() > end:
            for process in left:
                process.kill()
        time.sleep(0.02)


@contextmanager
def running_daemon(
    tenants: Mapping[str, dict[str, Any] | str] | None = None,
    *,
    start: bool = True,
    root: Path | None = None,
    **config: Any,
) -> Iterator[RunningDaemon]:
    """A daemon in a short temporary root (socket paths have 107 bytes), gone afterwards with its children."""
    root = root or Path(tempfile.mkdtemp(prefix="vw-"))
    daemon = RunningDaemon(root, config, tenants or {})
    try:
        if start:
            daemon.start()
        yield daemon
    finally:
        if daemon.process is not None and daemon.process.poll() is None:
            children = daemon.children()
            daemon.process.terminate()
            try:
                daemon.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                daemon.process.kill()
                daemon.process.wait()
            _see_off(children, 10)
        shutil.rmtree(root, ignore_errors=True)


@contextmanager
def page_of(pid: int) -> Iterator[ProgressReader]:
    """The progress page of the encoder, which keeps it open under the number that its command line names."""
    command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    number = command[command.index("--progress-fd") + 1]
    fd = os.open(f"/proc/{pid}/fd/{number}", os.O_RDONLY)
    with closing(ProgressReader(fd)) as page:
        os.close(fd)
        yield page


def after_steps(pid: int, steps: int, deadline_s: float = 10.0) -> None:
    """Returns once the encoder has begun or ended so many more pieces of work, and has something half done.

    Ends early where it has ended, and after `deadline_s` where it has nothing to do.
    """
    end = time.monotonic() + deadline_s
    with suppress(OSError, ValueError, psutil.NoSuchProcess), page_of(pid) as page:
        wanted, process = page.read().counter + steps, psutil.Process(pid)
        while page.read().counter < wanted and alive(process) and time.monotonic() < end:
            time.sleep(0.0005)
