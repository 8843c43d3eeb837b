"""What an encoder is started with: its environment, and the sandbox where isolation is strict."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import daemon
from daemon.core.tenant_config import TenantConfig

SOURCE_ROOT = Path(daemon.__file__).resolve().parent.parent


def environment(config: TenantConfig, data: Path) -> dict[str, str]:
    """An environment built from nothing; the daemon's own is not passed on."""
    threads = str(max(1, round(config.limits.cpus))) if config.limits.cpus else str(os.cpu_count() or 1)
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(data),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONPATH": str(SOURCE_ROOT),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONSAFEPATH": "1",
        "VIRTUAL_ENV": sys.prefix,
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(data / "hf-cache"),
        "PYTORCH_CUDA_ALLOC_CONF": "max_split_size_mb:512",
        "CUDA_VISIBLE_DEVICES": "",
        **{name: os.environ[name] for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE") if name in os.environ},
    }
