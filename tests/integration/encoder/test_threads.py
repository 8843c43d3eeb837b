"""limits.cpus and threads: what a real encoder process computes on, counted by the kernel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemons import CHECKOUT, RunningDaemon, running_daemon
from tests.support.models import minilm, needs_torch

pytestmark = pytest.mark.timeout(300)
CPUS = (None, 1, 2)
TEXTS = [f"text number {number} with some words of its own: {number * 7919}" for number in range(400)]


def tenants(encoder: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"cpus-{cpus or 'none'}": {
            "encoder": encoder,
            "limits": {"start_s": 240, **({"cpus": cpus} if cpus else {})},
            "knowledge": {"min_chars": 1},
            "search": {"deadline_s": 60},
        }
        for cpus in CPUS
    }


@pytest.fixture(scope="module")
def embedded() -> Iterator[RunningDaemon]:
    with running_daemon(tenants({"backend": "use-multilingual"})) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def torch() -> Iterator[RunningDaemon]:
    needs_torch()
    with running_daemon(
        tenants({"backend": "sentence-transformers", "model": str(minilm()), "device": "cpu"})
    ) as daemon:
        yield daemon


def ticks(pid: int) -> dict[int, int]:
    """Processor time of each thread so far, in clock ticks (proc(5), fields 14 and 15)."""
    found = {}
    for path in Path(f"/proc/{pid}/task").iterdir():
        fields = (path / "stat").read_text().rpartition(")")[2].split()
        found[int(path.name)] = int(fields[11]) + int(fields[12])
    return found


def threads_said(daemon: RunningDaemon, name: str) -> int:
    """The threads that PyTorch was given, by the encoder's log: which of them work is the machine's affair."""
    lines = daemon.paths.tenant(name).encoder_log.read_text().splitlines()
    timed = [line for line in map(json.loads, lines) if line["event"] == "model-timed"]
    return int(timed[-1]["threads"])


def busy_threads(daemon: RunningDaemon, name: str) -> int:
    """Threads that took a good part in an import and some searches: half of what the busiest one took."""
    view = daemon.wait_state(name, "ready", deadline_s=240)
    assert view.pid is not None
    before = ticks(view.pid)
    with daemon.client() as client:
        client.set_texts(name, TEXTS)
        for text in TEXTS[:10]:
            client.search(name, text)
    after = ticks(view.pid)
    took = [after[thread] - before.get(thread, 0) for thread in after]
    return sum(one > max(took) / 2 for one in took)


LOADED = """
import os, sys
from pathlib import Path
from daemon.core.config.tenant_config import TenantConfig
from daemon.core.paths import Paths
from daemon.encoder.process.parent import limit_threads
config = TenantConfig.model_validate_json(sys.argv[1])
limit_threads(config)
from daemon.encoder.models import registry
backend = registry.load(config.encoder, Paths.under(Path("/nowhere")).tenant("acme"), config.limits)
backend.encode_documents(["some text"] * 50)
print(len(os.listdir("/proc/self/task")))
"""


def threads_that_computing_takes(cpus: int | None) -> int:
    """The threads of a process that loads the embedded model as an encoder does, and has none for anything else."""
    config = {"encoder": {"backend": "use-multilingual"}, "limits": {} if cpus is None else {"cpus": cpus}}
    command = [sys.executable, "-c", LOADED, json.dumps(config)]
    return int(subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, check=True).stdout)


def test_the_embedded_model_takes_one_thread_unless_it_may_take_more(embedded: RunningDaemon) -> None:
    assert busy_threads(embedded, "cpus-none") == 1
    assert busy_threads(embedded, "cpus-1") == 1
    busy_threads(embedded, "cpus-2")
    several = min(2, os.cpu_count() or 1)  # OpenBLAS starts no more than there are processors
    assert [threads_that_computing_takes(cpus) for cpus in CPUS] == [1, 1, several]


def test_pytorch_takes_as_many_threads_as_it_may(torch: RunningDaemon) -> None:
    """The threads of OpenMP, BLAS, the tokenizers and FAISS compute nothing."""
    assert busy_threads(torch, "cpus-1") == 1
    assert busy_threads(torch, "cpus-2") <= 2
    assert busy_threads(torch, "cpus-none") <= (os.cpu_count() or 1)
    assert [threads_said(torch, f"cpus-{cpus}") for cpus in (1, 2)] == [1, 2]
    models = Path(f"/proc/{torch.tenant('cpus-1').pid}/maps").read_text()
    assert "openblas" in models
    assert "libgomp" in models
