"""The daemon's own file, `daemon.yaml`; all fields have defaults, so an empty or missing file works."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from daemon.core.config import strict_yaml
from daemon.core.config.strict_model import ConfigModel, NotAllowed, check
from daemon.core.config.tenant_config import Principal

_LOWEST_UID, _HIGHEST_UID = 1000, 2_000_000_000
_NOBODYS = (65534, 65535)  # nobody, and -1 where uids have 16 bits


def _uid_range(value: list[int]) -> list[int]:
    whole = len(value) == 2 and _LOWEST_UID <= value[0] < value[1] <= _HIGHEST_UID
    if not whole or any(value[0] <= special <= value[1] for special in _NOBODYS):
        raise NotAllowed(
            "is not a range of uids",
            f"[first, last] with {_LOWEST_UID} ≤ first < last ≤ {_HIGHEST_UID}, "
            f"without {' and '.join(map(str, _NOBODYS))}",
        )
    return value


class ConsoleConfig(ConfigModel):
    """The web console; `user` is the Linux user that it runs as where the daemon is root, None the daemon's own."""

    user: str | None = None
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 7860
    title: str = "vecward"


class HealthConfig(ConfigModel):
    """The daemon's checks of itself; below `disk_floor_mb` of free disk it warns, naming the tenant that grew most."""

    every_s: Annotated[float, Field(ge=0.1, le=86_400)] = 30.0
    disk_floor_mb: Annotated[int, Field(ge=0)] = 1024


class GpuConfig(ConfigModel):
    """The GPUs; with `exclusive_process` one that a tenant holds alone is in that compute mode (as root only)."""

    exclusive_process: bool = False


class LogsConfig(ConfigModel):
    """The logs; the Linux group `group` may read them, by a POSIX ACL. None: root alone."""

    group: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,31}$")] | None = None


class DaemonConfig(ConfigModel):
    isolation: Literal["strict", "process"] = "strict"
    tenants_dir: str | None = None
    admins: list[Principal] = ["uid:0", "group:vecward-admins"]
    uid_range: Annotated[list[int], AfterValidator(_uid_range)] = [20000, 29999]
    console: ConsoleConfig = ConsoleConfig()
    health: HealthConfig = HealthConfig()
    logs: LogsConfig = LogsConfig()
    gpu: GpuConfig = GpuConfig()

    def all_admins(self) -> frozenset[str]:
        """Return the configured admins and the daemon's own uid."""
        return frozenset([*self.admins, f"uid:{os.getuid()}"])


def load_config(path: Path) -> DaemonConfig:
    """Read daemon.yaml; raises InvalidConfig."""
    if not path.exists():
        return DaemonConfig()
    return check(DaemonConfig, strict_yaml.load(path))
