"""GPUs for hosts that have none: a libnvidia-ml.so.1 compiled from nvml.c, driven by a state file."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

SOURCE = Path(__file__).with_name("nvml.c")
STATE_VARIABLE = "VECWARD_STUB_NVML"
LIBRARY_NOT_FOUND, DRIVER_NOT_LOADED, GPU_IS_LOST = 12, 9, 15  # nvml.h


def build(folder: Path) -> Path:
    """Compiles the library into `folder`, for LD_LIBRARY_PATH; its soname is what pynvml asks the loader for."""
    library = folder / "libnvidia-ml.so.1"
    command = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-Wl,-soname,libnvidia-ml.so.1"]
    built = subprocess.run([*command, "-o", str(library), str(SOURCE)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, f"cannot build the NVML stub: {built.stderr}"
    return library


@dataclass(frozen=True)
class StubGpu:
    """A GPU of the stub; `processes` maps pids to MiB, -1 where the driver does not tell."""

    number: int
    total_mb: int = 24000
    used_mb: int = 500
    temperature: int = 41
    utilisation: int = 7
    mig: bool = False
    error: int = 0
    name: str = "Stub RTX"
    processes: dict[int, int] = field(default_factory=dict)

    @property
    def uuid(self) -> str:
        return f"GPU-{self.number:08x}-0000-4000-8000-000000000000"

    @property
    def words(self) -> str:
        return f"cuda:{self.number} ({self.uuid})"

    def lines(self) -> Iterable[str]:
        figures = f"{self.total_mb} {self.used_mb} {self.temperature} {self.utilisation} {int(self.mig)} {self.error}"
        yield f"gpu {self.uuid} {figures} {self.name}"
        for pid, mb in self.processes.items():
            yield f"proc {self.number} {pid} {mb}"


class StubNvml:
    """The state file. `change(0, processes={pid: 900})` changes one GPU and writes it whole."""

    def __init__(self, state: Path, gpus: int = 2) -> None:
        self.state = state
        self.gpus = [StubGpu(number) for number in range(gpus)]
        self.extra: list[str] = []
        self.write()

    def change(self, number: int, **changes: object) -> StubGpu:
        self.gpus[number] = replace(self.gpus[number], **changes)  # type: ignore[arg-type]
        self.write()
        return self.gpus[number]

    def say(self, *extra: str) -> None:
        """The lines that concern all: "init 12", "hang", "noperm"; none: all is well."""
        self.extra = list(extra)
        self.write()

    def write(self) -> None:
        lines = [*self.extra, *(line for gpu in self.gpus for line in gpu.lines())]
        partial = self.state.with_suffix(".partial")
        partial.write_text("\n".join(lines) + "\n")
        partial.rename(self.state)

    def modes(self, number: int) -> list[int]:
        """Every compute mode that was set, in order."""
        path = Path(f"{self.state}.mode.{number}")
        return [int(line) for line in path.read_text().split()] if path.exists() else []
