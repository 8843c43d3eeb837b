"""The device that the configuration names, or a refusal: a GPU is never replaced by the CPU or by another GPU.

The daemon has resolved `encoder.device` and shows this process exactly one GPU, by its UUID in CUDA_VISIBLE_DEVICES.
What has run on a real GPU is in tests/gpu/README.md.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

import torch

from daemon.core.config.tenant_config import LimitsConfig
from daemon.core.errors import StartRefused
from daemon.core.units import MIB

# CUDA's own context on the GPU counts towards the limit but is not PyTorch's to bound; 300 to 500 MiB are usual.
CONTEXT_MB = 512


@dataclass(frozen=True)
class Device:
    """A device of PyTorch's, and its name for people."""

    torch: torch.device
    words: str

    @property
    def is_gpu(self) -> bool:
        return bool(self.torch.type == "cuda")


CPU = Device(torch.device("cpu"), "cpu")


def prepare(device: str, limits: LimitsConfig) -> Device:
    """Make the device ready: threads, or CUDA's context and memory bound. Raises StartRefused."""
    limit_threads(limits.cpus)
    shown = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if device == "cpu" or (device == "auto" and not shown):
        return CPU
    return _gpu(device, limits.gpu_memory_mb)


def limit_threads(cpus: float | None) -> None:
    """Set the threads to `limits.cpus`, rounded up, else to OMP_NUM_THREADS; no operators run beside each other."""
    if cpus is not None:
        torch.set_num_threads(max(1, math.ceil(cpus)))
    if torch.get_num_interop_threads() != 1:
        try:
            torch.set_num_interop_threads(1)
        except RuntimeError:
            return  # it can be set once, before the first use: here, somebody used it before


def _gpu(device: str, memory_mb: int | None) -> Device:
    if not torch.cuda.is_available():
        why = "PyTorch is built without CUDA" if torch.version.cuda is None else "CUDA finds no GPU"
        raise StartRefused(
            f"cannot use {device}: {why}; install vecward[gpu] and the NVIDIA driver, or set encoder.device to cpu",
            device=device,
        )
    count = torch.cuda.device_count()
    if count != 1:
        raise StartRefused(
            f"cannot use {device}: {count} GPUs are visible where exactly the tenant's own should be "
            f"(CUDA_VISIBLE_DEVICES={os.environ.get('CUDA_VISIBLE_DEVICES', '')!r}); start the tenant by the daemon",
            device=device,
        )
    torch.cuda.init()
    found = torch.cuda.get_device_properties(0)
    uuid = _uuid(found)
    named = device.removeprefix("cuda:")
    if named.startswith("GPU-") and uuid is not None and named != uuid:
        raise StartRefused(f"cannot use {device}: the GPU that is visible is {uuid}", device=device)
    _bound_memory(device, memory_mb, int(found.total_memory))
    return Device(torch.device("cuda", 0), f"{found.name} ({uuid or device})")


def _uuid(properties: Any) -> str | None:
    """Write the UUID as NVIDIA's tools do; None where this PyTorch does not know it."""
    uuid = getattr(properties, "uuid", None)
    return None if uuid is None else f"GPU-{str(uuid).removeprefix('GPU-')}"


def _bound_memory(device: str, memory_mb: int | None, total: int) -> None:
    if memory_mb is None:
        return
    if memory_mb * MIB > total:
        raise StartRefused(
            f"cannot use {device} with limits.gpu_memory_mb {memory_mb}: it has {total // MIB} MiB; lower the limit",
            device=device,
        )
    if memory_mb <= CONTEXT_MB:
        raise StartRefused(
            f"cannot use {device} with limits.gpu_memory_mb {memory_mb}: CUDA alone takes about {CONTEXT_MB} MiB; "
            "raise the limit",
            device=device,
        )
    torch.cuda.set_per_process_memory_fraction((memory_mb - CONTEXT_MB) * MIB / total, 0)
