"""The first duties of a started process: to end with its parent, and to keep to its share of the processors."""

from __future__ import annotations

import ctypes
import math
import os
import signal

from daemon.core.config.tenant_config import TenantConfig

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent() -> None:
    """Ask the kernel to kill this process when the thread that started it ends, however that ends (prctl(2))."""
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the call
        os._exit(0)


def limit_threads(config: TenantConfig) -> None:
    """Bound the threads of BLAS and OpenMP, which read these variables once: before numpy and PyTorch are imported.

    The numpy model runs on one thread unless `limits.cpus` asks for more. Measured on two cores: a second thread
    makes a query 0.7 times as long on an idle machine, and 10 to 60 times as long beside one busy process
    (OpenBLAS threads wait for each other by spinning), up to a second. Beside PyTorch, which without `limits.cpus`
    takes the processors that there are, numpy searches the index alone: on one thread.
    """
    with_torch = config.encoder.facts.uses_torch
    cpus = None if config.limits.cpus is None else max(1, math.ceil(config.limits.cpus))
    os.environ["OPENBLAS_NUM_THREADS"] = str(1 if with_torch else cpus or 1)
    if cpus is not None or not with_torch:
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(cpus or 1)
