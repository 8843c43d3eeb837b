"""The stage of an acceptance run: a daemon of its own under a temporary root, gone afterwards with all it started."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from daemon.cli.trial_daemon import OUTPUT, trial_daemon, trial_environment
from daemon.client import Client
from daemon.core.config.daemon_config import DaemonConfig
from daemon.core.errors import InternalError, StartRefused, VecwardError
from daemon.core.paths import Paths
from daemon.core.wire import TenantView
from daemon.supervisor.isolation.sandbox import check_host

TENANT, SECOND = "acceptance", "second"
START_S = 150.0
_MODEL_S = 240.0
_ORDER = "misbehave"  # the file that `daemon/encoder/jobs/acceptance/misbehave.py` reads
_ENDED = ("ready", "failed")

T = TypeVar("T")


class Stage:
    """A temporary root and its models: ``with Stage.made() as stage``. Isolation is strict where this host has it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.models = root / "models"
        self.isolation, self.why_not_strict = _isolation()

    @classmethod
    @contextmanager
    def made(cls) -> Iterator[Stage]:
        root = Path(tempfile.mkdtemp(prefix="vw-", dir="/var/tmp"))
        root.chmod(0o755)
        try:
            yield cls(root)
        finally:
            shutil.rmtree(root, ignore_errors=True)

    def model(self, size: str, *, misbehaves: bool = False) -> Path:
        """Make a model of this size with random weights."""
        folder = self.models / f"Qwen3-Embedding-{size}{'-misbehaving' if misbehaves else ''}"
        command = [sys.executable, "-m", "daemon.encoder.jobs.acceptance.made_model", str(folder), size]
        if misbehaves:
            command += ["--misbehaves", str(self.order)]
        self._run(command, _MODEL_S)
        return folder

    def judge(self, folder: Path, device: str, *arguments: str, timeout_s: float) -> list[bytes]:
        """Run the judge of `daemon/encoder/jobs/acceptance/judge.py`; its messages, one a line."""
        work = self.root / "judge"
        work.mkdir(exist_ok=True)
        module = "daemon.encoder.jobs.acceptance.judge"
        command = [sys.executable, "-m", module, str(folder), "--device", device, "--work", str(work), *arguments]
        return self._run(command, timeout_s).splitlines()

    def _run(self, command: list[str], timeout_s: float) -> bytes:
        environment = {**trial_environment(), "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(command, capture_output=True, env=environment, timeout=timeout_s, check=False)  # noqa: S603  (ours)
        if done.returncode != 0:
            raise InternalError(f"cannot go on: {command[2]} ended with {done.returncode}: {_last(done.stderr)}")
        return done.stdout

    @property
    def order(self) -> Path:
        """The file that tells the misbehaving model what to do."""
        return Paths.under(self.root / "vw").tenant(TENANT).data / _ORDER

    @contextmanager
    def daemon(self, tenants: dict[str, dict[str, Any]], **config: Any) -> Iterator[Daemon]:
        """Run a daemon with these tenants, on an empty root."""
        root = self.root / "vw"
        shutil.rmtree(root, ignore_errors=True)
        paths = Paths.under(root)
        paths.tenants_d.mkdir(parents=True)
        root.chmod(0o755)
        last = DaemonConfig().uid_range[1]
        settings = {"isolation": self.isolation, "uid_range": [last - 9, last], "health": {"every_s": 1}, **config}
        paths.daemon_yaml.write_text(json.dumps(settings))
        for name, tenant in tenants.items():
            write(paths, name, tenant)
        with trial_daemon(root) as process:
            yield Daemon(paths, process)


def write(paths: Paths, name: str, tenant: dict[str, Any]) -> None:
    """Write a tenant's file; JSON is YAML, too."""
    (paths.tenants_d / f"{name}.yaml").write_text(json.dumps(tenant))


class Daemon:
    """A running daemon, spoken to as a script would."""

    def __init__(self, paths: Paths, process: subprocess.Popen[bytes]) -> None:
        self.paths = paths
        self._process = process

    def client(self) -> Client:
        return Client(self.paths.daemon_socket)

    def view(self, name: str = TENANT) -> TenantView | None:
        """The tenant as the API shows it; None while nobody answers."""
        try:
            with self.client() as client:
                return client.tenant(name)
        except (VecwardError, OSError):
            return None

    def settled(self, name: str = TENANT, seconds: float = START_S) -> TenantView:
        """Wait until the tenant is ready or has failed."""
        return self.until(lambda: _ended(self.view(name)), seconds, f"the start of {name}")

    def ready(self, name: str = TENANT) -> TenantView:
        view = self.settled(name)
        if view.state != "ready":
            raise InternalError(f"cannot start a tenant on this GPU: {view.reason}")
        return view

    def until(self, find: Callable[[], T | None], seconds: float, what: str) -> T:
        """Wait for something that is not None. Raises InternalError."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self._process.poll() is None:
            if (found := find()) is not None:
                return found
            time.sleep(0.05)
        words = _last((self.paths.state / OUTPUT).read_bytes())
        raise InternalError(f"cannot go on: {what} did not come within {seconds:g} s; {words}")


def _ended(view: TenantView | None) -> TenantView | None:
    return view if view is not None and view.state in _ENDED else None


def _isolation() -> tuple[str, str | None]:
    """Return the isolation to run with, and why it is not strict."""
    if os.geteuid() != 0:
        return "process", "strict isolation needs root"
    try:
        check_host([])
    except StartRefused as error:
        return "process", error.message
    return "strict", None


def _last(output: bytes) -> str:
    return output.decode(errors="replace").strip()[-1500:]
