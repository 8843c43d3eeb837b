"""The device that a tenant asks for, and the one that its encoder gets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from daemon.supervisor.gpu.nvml import Device

_NODES = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools")


@dataclass(frozen=True)
class Wanted:
    """The device that a tenant asks for; `others` maps the other tenants to the devices that their files name."""

    tenant: str
    device: str
    can_use_gpu: bool
    sharing: bool = False
    data: Path = Path()
    uid: int | None = None
    others: Mapping[str, str] = field(default_factory=dict)

    def named_by(self, device: Device) -> str | None:
        """The other tenant whose file names this GPU."""
        return next((tenant for tenant, name in self.others.items() if names(name, device)), None)

    def is_moving(self, tenant: str, device: Device) -> bool:
        """True where another tenant that holds this GPU is about to leave it: its file names something else now."""
        name = self.others.get(tenant, "auto")
        return name != "auto" and not names(name, device)


@dataclass(frozen=True)
class Placement:
    """The device of an encoder.

    `device` is for the encoder's configuration, `words` for people; `note` says why `auto` chose it.
    """

    device: str = "cpu"
    words: str = "cpu"
    uuid: str | None = None
    nodes: tuple[Path, ...] = ()
    note: str | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Variables that show the encoder this device alone."""
        return {"CUDA_VISIBLE_DEVICES": self.uuid or "", "PYTORCH_CUDA_ALLOC_CONF": "max_split_size_mb:512"}


def device_nodes(minor: int | None, dev: Path = Path("/dev")) -> tuple[Path, ...]:
    """The device files that one GPU's user needs: its own, and those that all GPUs share."""
    names: Iterable[str] = _NODES if minor is None else (f"nvidia{minor}", *_NODES)
    return tuple(path for path in (dev / name for name in names) if path.exists())


def names(name: str, device: Device) -> bool:
    """True where a name such as `cuda:0` means this GPU."""
    return name in (f"cuda:{device.index}", f"cuda:{device.uuid}")
