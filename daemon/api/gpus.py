"""The host's GPUs as NVML sees them. Reading only; blocking: call it in a thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import pynvml

from daemon.core.wire import Gpu, GpuList, GpuProcess

_MIB = 1024 * 1024

V = TypeVar("V")


def read(holders: Mapping[int, str]) -> GpuList:
    """Every GPU; `holders` names the tenant of each encoder's pid. `note` says in words why there is none."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        return GpuList(gpus=[], note=_note(error))
    try:
        found = [_gpu(number, holders) for number in range(pynvml.nvmlDeviceGetCount())]
        return GpuList(gpus=found, note=None if found else "no GPU on this host")
    except pynvml.NVMLError as error:
        return GpuList(gpus=[], note=f"the NVIDIA driver does not answer: {error}")
    finally:
        pynvml.nvmlShutdown()


def _note(error: pynvml.NVMLError) -> str:
    if isinstance(error, pynvml.NVMLError_LibraryNotFound):
        return "no GPU on this host (no NVIDIA driver)"
    return f"no usable GPU on this host: {error}"


def _gpu(number: int, holders: Mapping[int, str]) -> Gpu:
    handle = pynvml.nvmlDeviceGetHandleByIndex(number)
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    processes = [
        GpuProcess(
            pid=process.pid,
            memory_mb=None if process.usedGpuMemory is None else process.usedGpuMemory / _MIB,
            tenant=holders.get(process.pid),
        )
        for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
    ]
    return Gpu(
        index=number,
        uuid=pynvml.nvmlDeviceGetUUID(handle),
        name=pynvml.nvmlDeviceGetName(handle),
        memory_mb=memory.total / _MIB,
        memory_used_mb=memory.used / _MIB,
        temperature_c=_or_none(lambda: pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU)),
        utilisation_percent=_or_none(lambda: pynvml.nvmlDeviceGetUtilizationRates(handle).gpu),
        tenants=sorted({process.tenant for process in processes if process.tenant}),
        processes=processes,
    )


def _or_none(ask: Callable[[], V]) -> V | None:
    """Some cards do not know some figures (MIG: no utilisation)."""
    try:
        return ask()
    except pynvml.NVMLError:
        return None
