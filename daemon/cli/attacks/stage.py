"""The stage of the attacks: a daemon of its own under a temporary root, with a tenant to attack and one that attacks.

Both are real encoders in real sandboxes. Things of the host lie ready for them, open to everybody where a namespace
protects. Everything is gone afterwards. Needs root.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.cli.attacks.host import HostThings
from daemon.cli.attacks.table import Place
from daemon.cli.attacks.target import ATTACKER, VICTIM, Scene, file_handle
from daemon.cli.trial_daemon import OUTPUT, trial_daemon
from daemon.client import Client
from daemon.core.config.daemon_config import DaemonConfig
from daemon.core.config.tenant_file import load_tenant
from daemon.core.errors import InternalError, VecwardError
from daemon.core.paths import Paths
from daemon.supervisor.isolation import seccomp
from daemon.supervisor.isolation.environment import environment
from daemon.supervisor.isolation.sandbox import SOURCE_ROOT, Sandbox
from daemon.supervisor.isolation.tenant_sandbox import tenant_sandbox

DISK_MB = 64
_START_S = 60.0
_PROBES_S = 300.0


@dataclass(frozen=True)
class Outcome:
    """The outcome of a probe; `reached` is None when the probe itself failed, which proves nothing."""

    name: str
    reached: bool | None
    words: str


class Stage:
    """A daemon with two tenants; use ``with Stage() as stage: stage.play(Place.SANDBOX, names)``.

    `installation` is attacked as well.
    """

    def __init__(self, installation: Paths | None = None, uid_range: tuple[int, int] | None = None) -> None:
        _, last = uid_range or DaemonConfig().uid_range
        self.uid_range = [last - 1, last]
        self.installation = installation
        self._stack = ExitStack()

    def __enter__(self) -> Stage:
        try:
            self._build()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # --- building ------------------------------------------------------------------------------------

    def _build(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="vw-"))
        self._stack.callback(shutil.rmtree, self.root, ignore_errors=True)
        self.root.chmod(0o755)  # so that what refuses is a folder's own protection, not this one's
        self.paths = Paths.under(self.root)
        self._write_configuration()
        self._plant_secrets()
        self._start_daemon()
        self.host = self._stack.enter_context(HostThings())
        self._put_into_attackers_folder()

    def _write_configuration(self) -> None:
        self.paths.tenants_d.mkdir(parents=True)
        self.paths.daemon_yaml.write_text(json.dumps({"isolation": "strict", "uid_range": self.uid_range}))
        tenant = {"encoder": {"backend": "fake"}, "limits": {"disk_mb": DISK_MB, "memory_mb": 256}}
        for name in (ATTACKER, VICTIM):
            (self.paths.tenants_d / f"{name}.yaml").write_text(json.dumps(tenant))
        self.paths.users_yaml.write_text("users: {}\n")
        self.paths.users_yaml.chmod(0o600)

    def _plant_secrets(self) -> None:
        """Write the victim's secrets while its folder is still root's: later root opens nothing in it."""
        data = self.paths.tenant(VICTIM).data
        for path in (data / "secret", data / "index" / "secret", data / "hf-cache" / "secret"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("a secret of the victim\n")
        data.chmod(0o700)
        self.handle = file_handle(data / "secret")

    def _start_daemon(self) -> None:
        self.daemon = self._stack.enter_context(trial_daemon(self.root))
        self.pids = {name: self._ready(name) for name in (VICTIM, ATTACKER)}

    def _ready(self, name: str) -> int:
        deadline = time.monotonic() + _START_S
        why = "no answer"
        while time.monotonic() < deadline and self.daemon.poll() is None:
            try:
                with Client(self.paths.daemon_socket) as client:
                    view = client.tenant(name)
            except (VecwardError, OSError) as error:
                why = str(error)
            else:
                if view.state == "ready" and view.pid is not None:
                    return view.pid
                why = f"{view.state}: {view.reason}"
            time.sleep(0.05)
        words = (self.root / OUTPUT).read_text()[-2000:]
        raise InternalError(f"cannot start a tenant to attack ({why}); the daemon's last words: {words}")

    def _put_into_attackers_folder(self) -> None:
        """Copy a setuid program there, which the encoder itself could not make."""
        self.setuid = self.attackers_folder / "setuid-id"
        shutil.copy(shutil.which("id", path="/usr/bin:/bin") or "/usr/bin/id", self.setuid)
        self.setuid.chmod(0o4755)

    # --- the two tenants -------------------------------------------------------------------------------

    @property
    def attackers_folder(self) -> Path:
        return self.paths.tenant(ATTACKER).data

    def uid(self, name: str) -> int:
        return os.stat(self.paths.tenant(name).data).st_uid  # noqa: PTH116  (the folder itself, as everywhere)

    def _scene(self) -> Scene:
        return Scene(
            paths=self.paths,
            installation=self.installation,
            victims_uid=self.uid(VICTIM),
            victims_pid=self.pids[VICTIM],
            daemons_pid=self.daemon.pid,
            handle=self.handle,
            setuid=self.setuid,
            host=self.host,
            limits=self.sandbox().limits,
        )

    def sandbox(self) -> Sandbox:
        """Return the attacker's sandbox, built as its encoder's was."""
        config = load_tenant(self.paths.tenants_d / f"{ATTACKER}.yaml").config
        assert config is not None
        return tenant_sandbox(self.paths, ATTACKER, self.uid(ATTACKER), config)

    # --- playing -------------------------------------------------------------------------------------

    def play(self, place: Place, names: Iterable[str]) -> list[Outcome]:
        """Run the probes of these names at that place, one after the other."""
        request = {
            "uid": self.uid(ATTACKER) if place is Place.OUTSIDE else None,
            "names": list(names),
            "target": self._scene().target(place),
        }
        command = [sys.executable, "-m", "daemon.cli.attacks.probe_process"]
        inherited = self.host.listener.fileno()
        if place is not Place.SANDBOX:
            return _run(command, request, [inherited])
        filter_fd = seccomp.memfd() if seccomp.supported() else None
        try:
            prefix = self.sandbox().prefix(filter_fd)
            fds = [inherited, *([filter_fd] if filter_fd is not None else [])]
            return _run([*prefix, *command], request, fds, self.environment())
        finally:
            if filter_fd is not None:
                os.close(filter_fd)

    def environment(self) -> dict[str, str]:
        return environment(self.attackers_folder)


def _run(
    command: list[str], request: dict[str, Any], fds: list[int], env: dict[str, str] | None = None
) -> list[Outcome]:
    done = subprocess.run(  # noqa: S603
        command,
        input=json.dumps(request),
        capture_output=True,
        text=True,
        env=env or {**os.environ, "PYTHONPATH": str(SOURCE_ROOT)},
        cwd="/",
        pass_fds=fds,
        timeout=_PROBES_S,
        check=False,
        umask=0o077,
    )
    outcomes = [Outcome(**json.loads(line)) for line in done.stdout.splitlines()]
    if len(outcomes) != len(request["names"]):
        raise InternalError(f"cannot run the probes to their end: exit code {done.returncode}, {done.stderr[-2000:]}")
    return outcomes
