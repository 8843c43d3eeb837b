"""Row 1: driver, NVML, CUDA, PyTorch and the device nodes, and whether they speak of the same GPU."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from daemon.cli.acceptance.report import Row, impossible, judged
from daemon.supervisor.gpu.nvml import Device, NoGpu, Nvml, NvmlTrouble
from daemon.supervisor.gpu.placement import device_nodes

_TORCH_S = 120.0
# In a process of its own: PyTorch belongs into no process of the command line.
_ASK_TORCH = """
import json, torch, sentence_transformers, transformers
found = {"torch": torch.__version__, "cuda": torch.version.cuda, "available": torch.cuda.is_available(),
         "sentence_transformers": sentence_transformers.__version__, "transformers": transformers.__version__}
if found["available"]:
    made = torch.cuda.get_device_properties(0)
    found |= {"name": made.name, "uuid": str(made.uuid), "count": torch.cuda.device_count(),
              "capability": f"{made.major}.{made.minor}", "memory_mb": made.total_memory >> 20}
print(json.dumps(found))
"""
_MODES = {0: "default", 1: "exclusive thread", 2: "prohibited", 3: "exclusive process"}


@dataclass(frozen=True)
class Host:
    """The GPU under test, None where there is none."""

    gpu: Device | None
    torch: dict[str, Any]
    card: dict[str, Any]


def look() -> tuple[Host, list[Row]]:
    """Read this host; its rows say what does not fit together."""
    torch = _ask_torch()
    try:
        devices, card = asyncio.run(_ask_driver())
    except (NoGpu, NvmlTrouble) as error:
        return Host(None, torch, {}), [impossible("driver, CUDA and PyTorch", str(error))]
    gpu = devices[0]
    host = Host(gpu, torch, card)
    return host, [_agree(host), _nodes(gpu), _mode(gpu, card)]


def _ask_torch() -> dict[str, Any]:
    done = subprocess.run(  # noqa: S603  (ours)
        [sys.executable, "-c", _ASK_TORCH], capture_output=True, text=True, timeout=_TORCH_S, check=False
    )
    if done.returncode != 0:
        return {"available": False, "error": done.stderr.strip().splitlines()[-1] if done.stderr else "it ended"}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


async def _ask_driver() -> tuple[list[Device], dict[str, Any]]:
    nvml = Nvml()
    devices = await nvml.devices()
    return devices, await nvml.card(devices[0].uuid)


def _agree(host: Host) -> Row:
    name, gpu, torch = "driver, CUDA and PyTorch", host.gpu, host.torch
    assert gpu is not None
    figures = {"driver": host.card, "pytorch": torch, "name": gpu.name, "uuid": gpu.uuid, "memory_mb": gpu.memory_mb}
    if not torch["available"]:
        why = torch.get("error") or f"CUDA {torch.get('cuda')} finds no GPU"
        return judged(name, False, f"PyTorch can't use {gpu.name}: {why}", **figures)
    same = f"GPU-{torch['uuid'].removeprefix('GPU-')}" == gpu.uuid or torch["count"] > 1
    words = (
        f"{gpu.name}, driver {host.card.get('driver')}, CUDA {torch['cuda']}, PyTorch {torch['torch']}, "
        f"power cap {host.card.get('power_limit_w')} W, SM clock {host.card.get('sm_clock_mhz')} of "
        f"{host.card.get('sm_clock_max_mhz')} MHz, ECC {host.card.get('ecc')}"
    )
    return judged(name, same, words if same else f"{words}; PyTorch's first GPU is {torch['uuid']}", **figures)


def _nodes(gpu: Device) -> Row:
    found = [str(path) for path in device_nodes(gpu.minor)]
    complete = f"/dev/nvidia{gpu.minor}" in found and "/dev/nvidiactl" in found
    return judged("device nodes", complete, ", ".join(found) or "none", nodes=found)


def _mode(gpu: Device, card: dict[str, Any]) -> Row:
    mode = _MODES.get(card.get("compute_mode", -1), "unknown")
    split = "split by MIG: a part can't be given to a tenant" if gpu.mig else "not split by MIG"
    return judged("compute mode and MIG", not gpu.mig and mode != "prohibited", f"compute mode {mode}; {split}")
