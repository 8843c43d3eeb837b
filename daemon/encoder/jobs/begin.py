"""How what the daemon starts aside of an encoder (re-embedding, measuring, salvaging) begins."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from daemon.core import logs
from daemon.core.config.tenant_config import TenantConfig
from daemon.encoder.process.options import read_all
from daemon.encoder.process.parent import die_with_parent


def begin(program: str, option: str, **kind: Any) -> tuple[argparse.Namespace, TenantConfig]:
    """Its options and its tenant's configuration; it ends with the daemon, and logs as that configuration says.

    `option` and `kind` are what this program alone takes, as for `add_argument`.
    """
    die_with_parent()
    parser = argparse.ArgumentParser(program, description="Started by the daemon.")
    parser.add_argument("--tenant", required=True)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--config-fd", required=True, type=int)
    parser.add_argument(option, **kind)
    options = parser.parse_args()
    config = TenantConfig.model_validate_json(read_all(options.config_fd))
    logs.setup(config.log.level)
    logs.tenant.set(options.tenant)
    return options, config
