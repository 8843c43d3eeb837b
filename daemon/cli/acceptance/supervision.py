"""Rows 4 to 6: the lock, the memory and a hung kernel, with a small model that misbehaves when it is told to."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from daemon.cli.acceptance.report import Row, impossible, judged
from daemon.cli.acceptance.stage import SECOND, TENANT, Daemon, Stage, write
from daemon.core.errors import VecwardError
from daemon.core.wire import NewEntry
from daemon.supervisor.gpu.nvml import Device, Nvml

_ALARM_MB = 18_000  # of the card this product was first planned for, an NVIDIA A10
_HANG_S = 8.0
_FREE_S = 20.0
# Holds a CUDA context until its standard input ends.
_HOLD = "import sys, torch; torch.zeros(1, device='cuda'); print('ready', flush=True); sys.stdin.read()"


def tenant_on(folder: Path, device: str, **sections: Any) -> dict[str, Any]:
    encoder = {"backend": "sentence-transformers", "model": str(folder), "device": device, "query_cache": 0}
    made: dict[str, dict[str, Any]] = {"encoder": encoder, "limits": {"start_s": 120}}
    return {**made, **{name: {**made.get(name, {}), **fields} for name, fields in sections.items()}}


def supervise(stage: Stage, gpu: Device, device: str) -> Iterator[Row]:
    """Try the rows in one daemon; each ends with the tenant ready again."""
    folder = stage.model("tiny", misbehaves=True)
    alarm = min(_ALARM_MB, int(gpu.memory_mb * 0.6))
    trusted = {"trust_remote_code": True}
    tenant = tenant_on(folder, device, encoder=trusted, limits={"gpu_memory_mb": alarm})
    with _foreign_process() as pid, stage.daemon({TENANT: tenant}) as daemon:
        view = daemon.settled()
        found = view.state == "failed" and str(pid) in (view.reason or "")
        yield judged("foreign CUDA process", found, view.reason or f"not noticed: the tenant is {view.state}")
    with stage.daemon({TENANT: tenant}) as daemon:
        daemon.ready()
        yield _second(daemon, tenant_on(folder, device, encoder=trusted))
        yield _one_device(stage, daemon, gpu)
        yield impossible("exclusive_process", "this run leaves the GPU's settings as they are")
        with daemon.client() as client:
            client.add(TENANT, [NewEntry(text=f"entry number {number} of the acceptance run") for number in range(20)])
        yield _alarm(stage, daemon, alarm)
        yield _hang(stage, daemon)
        yield _freed(daemon, gpu)


def rehearse(stage: Stage) -> Iterator[Row]:
    """Try the hung call alone, on the processor."""
    folder = stage.model("tiny", misbehaves=True)
    tenant = tenant_on(folder, "cpu", encoder={"trust_remote_code": True})
    with stage.daemon({TENANT: tenant}) as daemon:
        daemon.ready()
        yield _hang(stage, daemon)


@contextmanager
def _foreign_process() -> Iterator[int]:
    with subprocess.Popen(  # noqa: S603  (ours)
        [sys.executable, "-c", _HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.kill()


def _second(daemon: Daemon, tenant: dict[str, Any]) -> Row:
    write(daemon.paths, SECOND, tenant)
    view = daemon.settled(SECOND)
    (daemon.paths.tenants_d / f"{SECOND}.yaml").unlink()
    refused = view.state == "failed" and TENANT in (view.reason or "")
    return judged("a second tenant on the GPU", refused, view.reason or f"it is {view.state}")


def _one_device(stage: Stage, daemon: Daemon, gpu: Device) -> Row:
    pid = daemon.ready().pid
    environment = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    shown = next((each for each in environment if each.startswith("CUDA_VISIBLE_DEVICES=")), "")
    if stage.isolation != "strict":
        return impossible("one device in the sandbox", f"{stage.why_not_strict}; {shown}")
    nodes = sorted(path.name for path in Path(f"/proc/{pid}/root/dev").glob("nvidia*"))
    cards = [name for name in nodes if re.fullmatch(r"nvidia\d+", name)]
    holds = cards == [f"nvidia{gpu.minor}"] and shown == f"CUDA_VISIBLE_DEVICES={gpu.uuid}"
    return judged("one device in the sandbox", holds, f"{', '.join(nodes)}; {shown}")


def _alarm(stage: Stage, daemon: Daemon, alarm: int) -> Row:
    """Take memory from the driver, past PyTorch's bound, and give it back."""
    stage.order.write_text(f"hold {alarm}")
    _search(daemon)
    raised = daemon.until(lambda: _warning(daemon), 30, "the warning about GPU memory")
    stage.order.write_text("behave")
    _search(daemon)
    daemon.until(lambda: None if _warning(daemon) else True, 30, "the end of the warning about GPU memory")
    return judged("alarm of GPU memory", True, f"rose and cleared: {raised}", limit_mb=alarm)


def _warning(daemon: Daemon) -> str | None:
    view = daemon.view()
    return view.warnings.get("gpu_memory_mb") if view else None


def _search(daemon: Daemon) -> str:
    """Ask once; the answer's time, or the refusal."""
    began = time.monotonic()
    try:
        with daemon.client() as client:
            client.search(TENANT, f"what is entry number {began}?")
    except VecwardError as error:
        return f"{error.kind}: {error.message}"
    return f"{time.monotonic() - began:.2f} s"


def _hang(stage: Stage, daemon: Daemon) -> Row:
    before = daemon.ready().pid
    stage.order.write_text(f"spin {_HANG_S:g}")
    began = time.monotonic()
    answer = _search(daemon)
    told_s = time.monotonic() - began
    stage.order.unlink()
    view = daemon.until(lambda: _replaced(daemon, before), 60, "the encoder's replacement")
    back_s = time.monotonic() - began
    holds = answer.startswith("encoder-hung") and told_s < _HANG_S
    words = (
        f"a kernel of {_HANG_S:g} s: the caller was told after {told_s:.1f} s ({answer}); the next encoder was ready "
        f"after {back_s:.1f} s; {_search(daemon)} for a search then"
    )
    return judged("hung kernel", holds, words, told_s=told_s, back_s=back_s, pid=view.pid)


def _replaced(daemon: Daemon, before: int | None) -> Any:
    view = daemon.view()
    return view if view is not None and view.state == "ready" and view.pid != before else None


def _freed(daemon: Daemon, gpu: Device) -> Row:
    """Kill the encoder; its memory must be back, and a new one must run."""
    pid = daemon.ready().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    freed = daemon.until(lambda: _since(began, pid, gpu), _FREE_S, "the memory's release")
    daemon.until(lambda: _replaced(daemon, pid), 60, "the encoder's replacement")
    back = time.monotonic() - began
    return judged("memory after kill -9", freed <= _FREE_S, f"free after {freed:.2f} s, ready again after {back:.1f} s")


def _since(began: float, pid: int, gpu: Device) -> float | None:
    """Seconds until the process has gone from the GPU; None while it is there."""
    return None if pid in _users(gpu) else time.monotonic() - began


def _users(gpu: Device) -> set[int]:
    devices = asyncio.run(Nvml().devices())
    return {user.pid for device in devices if device.uuid == gpu.uuid for user in device.users}
