"""GPUs given to tenants: chosen, locked, made free, and given back.

A tenant's `encoder.device` is resolved here, in the daemon. The encoder is told one GPU's UUID or `cpu` and never takes
the other one: a GPU that can't be had is refused with the reason.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from daemon.core.errors import StartRefused
from daemon.core.wire import Gpu, GpuList, GpuProcess
from daemon.supervisor.gpu import users
from daemon.supervisor.gpu.locks import GpuLock, GpuLocks, Held
from daemon.supervisor.gpu.nvml import Device, GpuUser, NoGpu, Nvml, NvmlTrouble
from daemon.supervisor.gpu.placement import Placement, Wanted, device_nodes, names

log = logging.getLogger(__name__)

RELEASE_WAIT_S = 20.0
_LOOK_AGAIN_S = 0.25
EXCLUSIVE_PROCESS = 3  # NVML_COMPUTEMODE_EXCLUSIVE_PROCESS
_MIG = (
    "it is split by MIG, but a tenant gets a whole GPU; switch it off (nvidia-smi -i {index} -mig 0), or name another"
)


class Gpus:
    """The GPUs of this host, each given to one tenant, or to several whose files say so."""

    def __init__(
        self,
        folder: Path,
        encoders: Callable[[], Mapping[int, str]],
        *,
        exclusive: bool = False,
        nvml: Nvml | None = None,
        release_wait_s: float = RELEASE_WAIT_S,
    ) -> None:
        """Take `encoders`, which answers the pids of this daemon's encoders, each with its tenant."""
        self._locks = GpuLocks(folder)
        self._encoders = encoders
        self._exclusive = exclusive
        self._nvml = nvml or Nvml()
        self._release_wait_s = release_wait_s
        self._restoring: dict[str, asyncio.Task[None]] = {}

    async def open(self) -> None:
        """Restore the compute modes that a killed daemon left changed."""
        await asyncio.gather(*(self._restore(lock) for lock in self._locks.left_over()))

    async def close(self) -> None:
        """Give all GPUs back, at the daemon's end, when every encoder has ended."""
        for tenant in self._locks.holders():
            self.release(tenant)
        if self._restoring:
            await asyncio.wait(self._restoring.values())

    # --- what is there -------------------------------------------------------------------------------

    async def devices(self) -> list[Device]:
        """All GPUs of the host. Raises NoGpu, NvmlTrouble."""
        return await self._nvml.devices()

    async def listing(self) -> GpuList:
        """GPUs with their tenants and processes, as the API shows them."""
        try:
            devices = await self.devices()
        except (NoGpu, NvmlTrouble) as error:
            return GpuList(gpus=[], note=str(error))
        encoders = self._encoders()
        return GpuList(gpus=[self._view(device, encoders) for device in devices])

    def _view(self, device: Device, encoders: Mapping[int, str]) -> Gpu:
        return Gpu(
            index=device.index,
            uuid=device.uuid,
            name=device.name,
            memory_mb=device.memory_mb,
            memory_used_mb=device.used_mb,
            temperature_c=device.temperature_c,
            utilisation_percent=device.utilisation_percent,
            tenants=self._locks.tenants(device.uuid),
            processes=[
                GpuProcess(pid=user.pid, memory_mb=user.memory_mb, tenant=encoders.get(user.pid))
                for user in device.users
            ],
            problem=device.problem or (_MIG.format(index=device.index) if device.mig else None),
        )

    # --- giving one to a tenant ----------------------------------------------------------------------

    async def place(self, wanted: Wanted) -> Placement:
        """Choose the device of the tenant's encoder; a GPU is locked for it until `release`. Raises StartRefused."""
        if wanted.device == "cpu" or not wanted.can_use_gpu:
            self.release(wanted.tenant)
            return Placement()
        try:
            devices = await self.devices()
        except NoGpu as error:
            return self._without_gpu(wanted, str(error))
        except NvmlTrouble as error:
            raise _refused(wanted, f"cannot tell which GPUs are free: {error}") from error
        return await (self._choose(wanted, devices) if wanted.device == "auto" else self._named(wanted, devices))

    def _without_gpu(self, wanted: Wanted, why: str) -> Placement:
        self.release(wanted.tenant)
        if wanted.device != "auto":
            raise _refused(wanted, f"{why}; set encoder.device to cpu, or start it on a host with a GPU")
        return Placement(note=why)

    async def _named(self, wanted: Wanted, devices: list[Device]) -> Placement:
        if wanted.device.startswith("cuda:MIG-"):
            raise _refused(wanted, "a part of a GPU made by MIG can't be given to a tenant; name a whole GPU")
        for device in devices:
            if names(wanted.device, device):
                return await self._take(wanted, device)
        there = ", ".join(f"{device.words} {device.name}" for device in devices)
        raise _refused(wanted, f"this host has no such GPU; it has {there}")

    async def _choose(self, wanted: Wanted, devices: list[Device]) -> Placement:
        """Take, for `auto`, the GPU that the tenant has, else a free one, else one that may be shared.

        A GPU that another tenant's file names is never taken.
        """
        held = self._locks.of(wanted.tenant)
        refusals: list[str] = []
        for device in sorted(devices, key=lambda each: self._preference(each, held)):
            if (owner := wanted.named_by(device)) is not None:
                refusals.append(f"{device.words}: the file of tenant {owner} names it")
                continue
            try:
                placement = await self._take(wanted, device)
            except StartRefused as error:
                refusals.append(f"{device.words}: {error.details['reason']}")
                continue
            return Placement(placement.device, placement.words, placement.uuid, placement.nodes, "the first free GPU")
        raise _refused(wanted, "no GPU is free; " + "; ".join(refusals))

    def _preference(self, device: Device, held: GpuLock | None) -> tuple[bool, int, int]:
        return (held is None or held.uuid != device.uuid, len(self._locks.tenants(device.uuid)), device.index)

    async def _take(self, wanted: Wanted, device: Device) -> Placement:
        """Lock a GPU, then look at it: two tenants that start at once can't both find it free."""
        if device.problem is not None or device.mig:
            raise _refused(wanted, device.problem or _MIG.format(index=device.index), device)
        lock = await self._claim(wanted, device)
        try:
            await self._until_free(wanted, device)
            await self._make_exclusive(wanted, device, lock)
        except BaseException:
            self.release(wanted.tenant)
            raise
        return Placement(f"cuda:{device.uuid}", device.words, device.uuid, device_nodes(device.minor))

    async def _claim(self, wanted: Wanted, device: Device) -> GpuLock:
        """Lock a GPU, waiting for a holder whose changed file names another one. Raises StartRefused."""
        held = self._locks.of(wanted.tenant)
        if held is not None and held.uuid != device.uuid:
            self.release(wanted.tenant)  # its file names another one now
        deadline = time.monotonic() + self._release_wait_s
        while True:
            while (restoring := self._restoring.get(device.uuid)) is not None:
                await asyncio.wait([restoring])
            try:
                return self._locks.claim(device.uuid, wanted.tenant, sharing=wanted.sharing)
            except Held as error:
                holders = self._locks.tenants(device.uuid)
                moving = any(wanted.is_moving(tenant, device) for tenant in holders)
                if not moving or time.monotonic() > deadline:
                    raise _held(wanted, device, error) from error
            except OSError as error:
                raise _refused(wanted, f"cannot lock it: {error}", device) from error
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def _until_free(self, wanted: Wanted, device: Device) -> None:
        """Wait for processes of ours that are ending; a foreign process refuses the start at once."""
        deadline = time.monotonic() + self._release_wait_s
        while leaving := self._leaving(wanted, device):
            if time.monotonic() > deadline:
                pids = ", ".join(str(user.pid) for user in leaving)
                reason = (
                    f"the GPU does not release pid {pids} within {self._release_wait_s:g} s; end that process, "
                    "or reboot the host if it can't be ended"
                )
                raise _refused(wanted, reason, device)
            await asyncio.sleep(_LOOK_AGAIN_S)
            device = await self._again(wanted, device)

    async def _again(self, wanted: Wanted, before: Device) -> Device:
        try:
            devices = await self.devices()
        except (NoGpu, NvmlTrouble) as error:
            raise _refused(wanted, str(error), before) from error
        device = next((each for each in devices if each.uuid == before.uuid), None)
        if device is None or device.problem is not None:
            raise _refused(wanted, device.problem or "" if device else "it has gone from this host", before)
        return device

    def _leaving(self, wanted: Wanted, device: Device) -> list[GpuUser]:
        """The processes on the GPU that are about to go. Raises StartRefused for one that is not."""
        holders = set(self._locks.tenants(device.uuid)) - {wanted.tenant}
        encoders = self._encoders()
        leaving = []
        for user in device.users:
            owner = encoders.get(user.pid)
            if owner in holders:
                continue  # shared, as both files say
            if owner is None and not users.is_leaving(user.pid, wanted.tenant, wanted.data, wanted.uid):
                reason = f"{users.words(user)}; end it, or choose another GPU"
                raise _refused(wanted, reason, device, pid=user.pid)
            leaving.append(user)
        return leaving

    # --- compute mode --------------------------------------------------------------------------------

    async def _make_exclusive(self, wanted: Wanted, device: Device, lock: GpuLock) -> None:
        """Keep other processes off the GPU.

        The mode before is written down first, so that the daemon after a killed one restores it too.
        """
        if not self._exclusive or wanted.sharing:
            return
        try:
            mode = await self._nvml.compute_mode(device.uuid)
            if lock.mode_before is None:
                lock.mode_before = mode
                lock.write()
            if mode != EXCLUSIVE_PROCESS:
                await self._nvml.set_compute_mode(device.uuid, EXCLUSIVE_PROCESS)
        except (NoGpu, NvmlTrouble) as error:
            reason = (
                f"cannot set its compute mode EXCLUSIVE_PROCESS: {error}; gpu.exclusive_process: false in daemon.yaml "
                "does without"
            )
            raise _refused(wanted, reason, device) from error

    # --- giving it back ------------------------------------------------------------------------------

    def release(self, tenant: str) -> None:
        """Give the GPU of a tenant that rests back."""
        lock = self._locks.leave(tenant)
        if lock is None:
            return
        if lock.mode_before is None:
            lock.close()
            return
        task = asyncio.create_task(self._restore(lock), name=f"restore {lock.uuid}")
        self._restoring[lock.uuid] = task

    async def _restore(self, lock: GpuLock) -> None:
        """Restore the compute mode, then give the lock back: the next holder finds the GPU as it was."""
        try:
            if lock.mode_before is not None:
                await self._nvml.set_compute_mode(lock.uuid, lock.mode_before)
        except (NoGpu, NvmlTrouble) as error:
            extra = {"gpu": lock.uuid, "mode": lock.mode_before, "reason": str(error)}
            log.error("gpu-mode-not-restored", extra=extra)  # noqa: TRY400  (the reason says it all)
        finally:
            lock.close()
            self._restoring.pop(lock.uuid, None)


def _held(wanted: Wanted, device: Device, error: Held) -> StartRefused:
    way_out = "choose another GPU, stop the holder, or let both files say limits.gpu_sharing: allowed"
    return _refused(wanted, f"{error} holds it; {way_out}", device)


def _refused(wanted: Wanted, reason: str, device: Device | None = None, **details: Any) -> StartRefused:
    where = f"{wanted.device} ({device.uuid})" if device else wanted.device
    if device and wanted.device == "auto":
        where = device.words
    return StartRefused(
        f"cannot start {wanted.tenant} on {where}: {reason}",
        tenant=wanted.tenant,
        device=wanted.device,
        reason=reason,
        **details,
    )
