"""The encoder's command line: descriptors that the daemon passes, and where the tenant's data lies."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from daemon.core.config.tenant_config import TenantConfig
from daemon.core.paths import TenantPaths


@dataclass(frozen=True)
class Options:
    tenant: str
    data: Path
    listen_fd: int
    control_fd: int
    progress_fd: int
    config_fd: int
    seed_fd: int | None = None

    @property
    def paths(self) -> TenantPaths:
        """The tenant's paths; log and socket are the daemon's, and an encoder has neither."""
        return TenantPaths(self.data, self.data, self.data)

    def config(self) -> TenantConfig:
        return TenantConfig.model_validate_json(read_all(self.config_fd))

    def seed(self) -> list[str]:
        """Read the seed's lines that are not blank; none without a seed. Bytes that are no UTF-8 are replaced."""
        if self.seed_fd is None:
            return []
        lines = read_all(self.seed_fd).decode("utf-8-sig", errors="replace").splitlines()
        return [line for line in lines if line.strip()]


def read_all(fd: int) -> bytes:
    """Read a file from its beginning, wherever its offset is."""
    with os.fdopen(os.dup(fd), "rb") as file:
        if file.seekable():
            file.seek(0)
        return file.read()


def parse(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser("daemon.encoder", description="One tenant's encoder; started by the daemon.")
    parser.add_argument("--tenant", required=True)
    parser.add_argument("--data", required=True, type=Path)
    for name in ("listen", "control", "progress", "config"):
        parser.add_argument(f"--{name}-fd", required=True, type=int)
    parser.add_argument("--seed-fd", type=int)
    return Options(**vars(parser.parse_args(arguments)))
