"""NVML, which knows this host's GPUs, asked on one thread of its own, each question with a deadline.

A driver in trouble keeps its caller inside the kernel, where nothing can end the call. So the event loop never calls
NVML: it asks this thread and gives up after `deadline_s`; while the thread is stuck, further questions fail at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from daemon.core.units import mib
from daemon.core.wire import NO_GPU

log = logging.getLogger(__name__)

DEADLINE_S = 5.0
ABSENT_KEPT_S = 10.0  # a driver may be loaded later; until then nobody looks for it again
CONTROL_NODE = Path("/dev/nvidiactl")

T = TypeVar("T")


class NoGpu(Exception):
    """A host without an NVIDIA driver, or without a GPU."""


class NvmlTrouble(Exception):
    """A driver that can't tell about its GPUs; the text is for people and says the way out."""


@dataclass(frozen=True)
class GpuUser:
    """A compute process on a GPU; `memory_mb` None where the driver does not tell."""

    pid: int
    memory_mb: float | None


@dataclass(frozen=True)
class Device:
    """A GPU. With a `problem` only its identity counts, as it was when the GPU last answered."""

    index: int
    uuid: str = ""
    name: str = "unknown"
    minor: int | None = None
    memory_mb: float = 0.0
    used_mb: float = 0.0
    temperature_c: int | None = None
    utilisation_percent: int | None = None
    users: tuple[GpuUser, ...] = ()
    mig: bool = False
    problem: str | None = None

    @property
    def words(self) -> str:
        return f"cuda:{self.index} ({self.uuid or 'UUID unknown'})"


class Nvml:
    """The owner thread. It is a daemon thread: a stuck call does not keep the process from ending."""

    def __init__(self, deadline_s: float = DEADLINE_S) -> None:
        self._deadline_s = deadline_s
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._busy_since: float | None = None
        self._absent_until = 0.0
        self._ready = False
        self._seen: dict[int, Device] = {}

    async def devices(self) -> list[Device]:
        """Every GPU of the host. Raises NoGpu, NvmlTrouble."""
        return await self._ask(self._read_devices)

    async def card(self, uuid: str) -> dict[str, Any]:
        """Facts that a report names: driver, clocks in MHz, power in W, ECC. Raises NoGpu, NvmlTrouble."""
        return await self._ask(lambda nvml: _read_card(nvml, nvml.nvmlDeviceGetHandleByUUID(uuid)))

    async def compute_mode(self, uuid: str) -> int:
        """The mode's number, as in nvml.h. Raises NoGpu, NvmlTrouble."""
        return await self._ask(lambda nvml: int(nvml.nvmlDeviceGetComputeMode(nvml.nvmlDeviceGetHandleByUUID(uuid))))

    async def set_compute_mode(self, uuid: str, mode: int) -> None:
        """Set the mode, which outlives this process: whoever sets it restores it. Raises NoGpu, NvmlTrouble."""
        await self._ask(lambda nvml: nvml.nvmlDeviceSetComputeMode(nvml.nvmlDeviceGetHandleByUUID(uuid), mode))

    # --- asking --------------------------------------------------------------------------------------

    async def _ask(self, question: Callable[[Any], T]) -> T:
        if time.monotonic() < self._absent_until:
            raise NoGpu(NO_GPU)
        busy = self._busy_since
        if busy is not None and time.monotonic() - busy > self._deadline_s:
            raise self._stuck(time.monotonic() - busy)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._start_thread()
        self._inbox.put(lambda: self._answer(question, loop, answer))
        try:
            async with asyncio.timeout(self._deadline_s):
                return await answer
        except TimeoutError:
            raise self._stuck(self._deadline_s) from None

    def _stuck(self, seconds: float) -> NvmlTrouble:
        return NvmlTrouble(
            f"the NVIDIA driver has not answered for {seconds:.0f} s; look at `nvidia-smi` and `dmesg`: "
            "a GPU that hangs the driver needs a reset or the host a reboot"
        )

    def _start_thread(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="nvml", daemon=True)
            self._thread.start()

    # --- on the thread -------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            job = self._inbox.get()
            self._busy_since = time.monotonic()
            job()
            self._busy_since = None

    def _answer(self, question: Callable[[Any], T], loop: asyncio.AbstractEventLoop, answer: asyncio.Future[T]) -> None:
        result: T | None = None
        failure: Exception | None = None
        try:
            result = self._with_library(question)
        except Exception as error:  # noqa: BLE001  (it belongs to the asker)
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(_settle, answer, result, failure)

    def _with_library(self, question: Callable[[Any], T]) -> T:
        import pynvml  # 3 MiB that a host without tenants on GPUs never loads

        try:
            if not self._ready:
                pynvml.nvmlInit()
                self._ready = True
            return question(pynvml)
        except pynvml.NVMLError as error:
            raise self._explain(pynvml, error) from error

    def _explain(self, nvml: Any, error: Any) -> Exception:
        if error.value == nvml.NVML_ERROR_LIBRARY_NOT_FOUND and not CONTROL_NODE.exists():
            self._absent_until = time.monotonic() + ABSENT_KEPT_S
            return NoGpu(NO_GPU)
        if self._ready and error.value in (nvml.NVML_ERROR_UNINITIALIZED, nvml.NVML_ERROR_DRIVER_NOT_LOADED):
            self._ready = False
        return NvmlTrouble(words_of(nvml, error))

    def _read_devices(self, nvml: Any) -> list[Device]:
        found = [self._read(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
        if not found:
            raise NoGpu(NO_GPU)
        return found

    def _read(self, nvml: Any, index: int) -> Device:
        """Read one GPU; one that fails has a `problem`, and the others are not concerned."""
        try:
            device = _read_device(nvml, index)
        except nvml.NVMLError as error:
            known = self._seen.get(index, Device(index))
            return replace(known, users=(), used_mb=0.0, problem=words_of(nvml, error))
        self._seen[index] = device
        return device


def _read_device(nvml: Any, index: int) -> Device:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    return Device(
        index=index,
        uuid=nvml.nvmlDeviceGetUUID(handle),
        name=nvml.nvmlDeviceGetName(handle),
        minor=_if_told(nvml, lambda: nvml.nvmlDeviceGetMinorNumber(handle)),
        memory_mb=mib(memory.total),
        used_mb=mib(memory.used),
        temperature_c=_if_told(nvml, lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
        utilisation_percent=_if_told(nvml, lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu),
        users=tuple(_user(each) for each in nvml.nvmlDeviceGetComputeRunningProcesses(handle)),
        mig=_if_told(nvml, lambda: nvml.nvmlDeviceGetMigMode(handle)[0]) == nvml.NVML_DEVICE_MIG_ENABLE,
    )


def _read_card(nvml: Any, handle: Any) -> dict[str, Any]:
    asked = {
        "driver": nvml.nvmlSystemGetDriverVersion,
        "cuda_driver": nvml.nvmlSystemGetCudaDriverVersion,
        "compute_mode": lambda: int(nvml.nvmlDeviceGetComputeMode(handle)),
        "power_limit_w": lambda: nvml.nvmlDeviceGetPowerManagementLimit(handle) // 1000,
        "sm_clock_mhz": lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM),
        "sm_clock_max_mhz": lambda: nvml.nvmlDeviceGetMaxClockInfo(handle, nvml.NVML_CLOCK_SM),
        "ecc": lambda: "on" if nvml.nvmlDeviceGetEccMode(handle)[0] else "off",
    }
    return {name: _if_told(nvml, ask) for name, ask in asked.items()}


def _user(process: Any) -> GpuUser:
    used = process.usedGpuMemory
    return GpuUser(process.pid, None if used is None else mib(used))


def _if_told(nvml: Any, ask: Callable[[], Any]) -> Any:
    """None for what this GPU does not support: a MIG split has no utilisation, some cards no sensor."""
    try:
        return ask()
    except nvml.NVMLError as error:
        if error.value in (nvml.NVML_ERROR_NOT_SUPPORTED, nvml.NVML_ERROR_FUNCTION_NOT_FOUND):
            return None
        raise


def words_of(nvml: Any, error: Any) -> str:
    """Words on an error of NVML's for the person who must act."""
    ways = {
        nvml.NVML_ERROR_LIBRARY_NOT_FOUND: "the driver's device files are there, but libnvidia-ml.so.1 can't be "
        "loaded; install the driver's libraries in the version of its kernel module",
        nvml.NVML_ERROR_DRIVER_NOT_LOADED: "the NVIDIA driver is installed but not loaded; load it (modprobe nvidia), "
        "and see `dmesg` where that fails",
        nvml.NVML_ERROR_GPU_IS_LOST: "the GPU is lost: it no longer answers on its bus; look at `dmesg` for the Xid "
        "error, and reboot the host",
        nvml.NVML_ERROR_RESET_REQUIRED: "the GPU must be reset; end what runs on it, then `nvidia-smi --gpu-reset`",
        nvml.NVML_ERROR_NO_PERMISSION: "the driver does not permit it; it takes a daemon that runs as root",
        nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: "the driver's library and its kernel module have different versions; "
        "reboot the host after the driver's upgrade",
    }
    return ways.get(error.value) or f"NVML says: {error} (code {error.value}); look at `nvidia-smi` and `dmesg`"


def _settle(answer: asyncio.Future[Any], result: Any, failure: Exception | None) -> None:
    if answer.done():
        return  # its asker gave up
    if failure is not None:
        answer.set_exception(failure)
    else:
        answer.set_result(result)
