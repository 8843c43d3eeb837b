"""The paths of an installation, from one root (daemon/README.md, "Data")."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from daemon.core.errors import InvalidConfig

ROOT_VARIABLE = "VECWARD_ROOT"
MAX_SOCKET_PATH_BYTES = 107  # sun_path has 108 bytes with the terminating NUL (unix(7))


@dataclass(frozen=True)
class TenantPaths:
    """Paths of one tenant; `data` and everything below it are the tenant's own."""

    data: Path
    log: Path
    socket: Path

    @property
    def knowledge_db(self) -> Path:
        return self.data / "knowledge.db"

    @property
    def index(self) -> Path:
        return self.data / "index"

    @property
    def models(self) -> Path:
        return self.data / "models"

    @property
    def hf_cache(self) -> Path:
        return self.data / "hf-cache"

    @property
    def encoder_log(self) -> Path:
        return self.log / "encoder.log"


@dataclass(frozen=True)
class Paths:
    """Folders of an installation: configuration, data, logs, and what lives as long as the daemon (sockets, locks)."""

    etc: Path
    state: Path
    log: Path
    run: Path

    @classmethod
    def system(cls) -> Paths:
        return cls(Path("/etc/vecward"), Path("/var/lib/vecward"), Path("/var/log/vecward"), Path("/run/vecward"))

    @classmethod
    def under(cls, root: Path) -> Paths:
        """Return paths that are all below `root`; nothing outside it is touched."""
        root = root.absolute()
        return cls(root / "etc", root, root / "log", root / "run")

    @classmethod
    def choose(cls, root: Path | None) -> Paths:
        """Return the paths below `root` (`--root`), else below $VECWARD_ROOT, else the system's."""
        if root is None and (named := os.environ.get(ROOT_VARIABLE)):
            root = Path(named)
        return cls.system() if root is None else cls.under(root)

    @property
    def daemon_yaml(self) -> Path:
        return self.etc / "daemon.yaml"

    @property
    def users_yaml(self) -> Path:
        return self.etc / "users.yaml"

    @property
    def tenants_d(self) -> Path:
        return self.etc / "tenants.d"

    def tenants_dir(self, chosen: str | None) -> Path:
        """Return the folder of the tenants' files: `tenants_dir` of daemon.yaml, below `etc` unless absolute."""
        return self.etc / chosen if chosen else self.tenants_d

    @property
    def state_db(self) -> Path:
        return self.state / "state.db"

    @property
    def daemon_socket(self) -> Path:
        return self.run / "daemon.sock"

    @property
    def console_socket(self) -> Path:
        return self.run / "console.sock"

    @property
    def lock(self) -> Path:
        return self.run / "daemon.lock"

    @property
    def audit_log(self) -> Path:
        return self.log / "audit.log"

    @property
    def daemon_log(self) -> Path:
        return self.log / "daemon.log"

    def tenant(self, name: str) -> TenantPaths:
        return TenantPaths(self.state / "tenants" / name, self.log / name, self.run / "encoders" / f"{name}.sock")

    def check_socket_lengths(self, tenants: list[str]) -> None:
        """Refuse sockets' paths that are longer than the kernel takes; raises InvalidConfig."""
        for path in [self.daemon_socket, self.console_socket, *(self.tenant(name).socket for name in tenants)]:
            check_socket_length(path)


def check_socket_length(path: Path) -> None:
    """Refuse a socket path that is longer than the kernel takes: raises InvalidConfig."""
    size = len(os.fsencode(path))
    if size > MAX_SOCKET_PATH_BYTES:
        raise InvalidConfig(
            f"cannot use the socket path {path}: it has {size} bytes, at most {MAX_SOCKET_PATH_BYTES} are "
            f"possible; choose a shorter --root (or {ROOT_VARIABLE})",
            field="root",
            value=str(path),
            allowed=f"at most {MAX_SOCKET_PATH_BYTES} bytes",
        )
