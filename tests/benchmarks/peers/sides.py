"""Each side of the comparison, asked in the same words: vecward through its daemon's socket, peers in children."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from daemon.core.http.pool import Pool
from tests.benchmarks.common import latencies, search_body, throughput
from tests.benchmarks.peers.environments import python
from tests.support.daemons import RunningDaemon

SCRIPTS = Path(__file__).parent / "scripts"
SCRIPT_OF = {
    "plain": "plain.py",
    "infinity": "infinity_server.py",
    "txtai": "txtai_index.py",
    "chroma": "chroma_collection.py",
}
TENANT = "bench"
TARGET = f"/v1/tenants/{TENANT}/search"

Answer = dict[str, Any]


class Side(Protocol):
    """One side; `ask` takes index, one_client, together or edit, and answers "per_s" and, where it has them, "ms"."""

    name: str

    def ask(self, do: str, **arguments: Any) -> Answer: ...


class Peer:
    """A script in its own environment; `plain` runs in vecward's own, so that both have the same libraries."""

    def __init__(self, name: str, model: Path, cache: Path) -> None:
        self.name = name
        interpreter = Path(sys.executable) if name == "plain" else python(name, cache)
        environment = {"HF_HUB_OFFLINE": "1", "PATH": "/usr/bin:/bin", "HOME": str(cache), "LANG": "C.UTF-8"}
        self._log = (cache / f"{name}.log").open("w")
        self._process = subprocess.Popen(
            [interpreter, SCRIPTS / SCRIPT_OF[name], model],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            text=True,
        )
        self._answer()

    def ask(self, do: str, **arguments: Any) -> Answer:
        assert self._process.stdin is not None
        print(json.dumps({"do": do, **arguments}), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> Answer:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended with {self._process.wait()}: see {self._log.name}")
        answer: Answer = json.loads(line)
        return answer

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._log.close()


class Vecward:
    """The daemon's socket, as any client uses it."""

    name = "vecward"

    def __init__(self, daemon: RunningDaemon) -> None:
        self._daemon = daemon

    def ask(self, do: str, **arguments: Any) -> Answer:
        answer: Answer = getattr(self, f"_{do}")(**arguments)
        return answer

    def _index(self, texts: str) -> Answer:
        entries = json.loads(Path(texts).read_text())
        with self._daemon.client() as client:
            client.set_texts(TENANT, [])
            began = time.perf_counter()
            made = client.set_texts(TENANT, entries)
            seconds = time.perf_counter() - began
        if made.added != len(entries):
            raise SystemExit(f"vecward took {made.added} of {len(entries)} entries: {made.refused[:3]}")
        return {"per_s": len(entries) / seconds, "seconds": seconds}

    def _edit(self, texts: list[str]) -> Answer:
        """Time edits of the first entries, each as a person makes it: through the daemon, committed, searchable."""
        times = []
        with self._daemon.client() as client:
            entries = client.entries(TENANT, limit=len(texts)).entries
            for entry, text in zip(entries, texts, strict=True):
                began = time.perf_counter()
                client.edit(TENANT, entry.id, text=text)
                times.append((time.perf_counter() - began) * 1000)
        return {"ms": times}

    def _one_client(self, texts: list[str], seconds: float) -> Answer:
        return asyncio.run(self._search(texts, 1, seconds))

    def _together(self, texts: list[str], clients: int, seconds: float) -> Answer:
        return asyncio.run(self._search(texts, clients, seconds))

    async def _search(self, texts: list[str], clients: int, seconds: float) -> Answer:
        pool = Pool(self._daemon.paths.daemon_socket)
        bodies = within(seconds, [search_body(text) for text in texts])
        try:
            if clients == 1:
                times, _ = await latencies(pool, TARGET, bodies)
                return {"ms": times, "per_s": len(times) * 1000 / sum(times)}
            per_s, times = await throughput(pool, TARGET, bodies, clients)
            return {"ms": times, "per_s": per_s}
        finally:
            await pool.close()


def within(seconds: float, bodies: Iterable[bytes]) -> Iterator[bytes]:
    """Search bodies, until the time is over."""
    end = time.perf_counter() + seconds
    for body in bodies:
        if time.perf_counter() > end:
            return
        yield body
