"""The environment of a tenant's processes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from daemon.supervisor.isolation.sandbox import SOURCE_ROOT

# OpenBLAS looks at these when it is loaded: they are set where its guess about the processor is wrong.
_PASSED_ON = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def environment(data: Path) -> dict[str, str]:
    """Build it from nothing: the daemon's own is not passed on; the number of threads is the encoder's affair."""
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
        "PYTHONNOUSERSITE": "1",
        "VIRTUAL_ENV": sys.prefix,
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(data / "hf-cache"),
        "PYTORCH_CUDA_ALLOC_CONF": "max_split_size_mb:512",
        "CUDA_VISIBLE_DEVICES": "",
        **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
    }
