"""Real texts, alternating rounds, medians and ratios, for all benchmarks."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from statistics import median

from daemon.core.http.pool import Pool
from daemon.core.http.response import Headers

ROUNDS = 7
JSON: Headers = [(b"content-type", b"application/json")]


def real_texts(count: int) -> list[str]:
    """Distinct one-line texts from Debian's package list, `name: description`."""
    raw = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, check=True, text=True).stdout
    found: dict[str, None] = {}
    name = ""
    for line in raw.splitlines():
        if line.startswith("Package: "):
            name = line[9:]
        elif line.startswith(("Description: ", "Description-en: ")):
            found.setdefault(f"{name}: {line.split(': ', 1)[1].strip()}")
        if len(found) == count:
            break
    if len(found) < count:
        raise SystemExit(f"cannot find {count} texts, only {len(found)}: run apt-get update first")
    return list(found)


@dataclass
class Series:
    """One figure, measured once a round on each side."""

    name: str
    unit: str
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    def line(self, target: str = "") -> str:
        ours, theirs = median(self.ours), median(self.theirs)
        ratio = ours / theirs if theirs else float("nan")
        spread = f"[{min(self.ours):.2f}-{max(self.ours):.2f}]"
        return f"{self.name:<46} {ours:>10.2f} {spread:>18} {theirs:>10.2f} {self.unit:<6} ratio {ratio:6.3f}  {target}"


def search_body(query: str, k: int = 5) -> bytes:
    return json.dumps({"query": query, "k": k}).encode()


async def latencies(pool: Pool, target: str, bodies: Iterable[bytes]) -> tuple[list[float], list[bytes]]:
    """One client, one request after the other: milliseconds, and the answers."""
    times, answers = [], []
    for body in bodies:
        began = time.perf_counter()
        response = await pool.send("POST", target, JSON, body)
        answer = await response.read()
        times.append((time.perf_counter() - began) * 1000)
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {answer[:300]!r}")
        answers.append(answer)
    return times, answers


async def throughput(pool: Pool, target: str, bodies: Iterable[bytes], clients: int) -> tuple[float, list[float]]:
    """Measure `clients` at once: requests/s, and each request's milliseconds."""
    queue = iter(bodies)
    times: list[float] = []

    async def client() -> None:
        for body in queue:
            began = time.perf_counter()
            response = await pool.send("POST", target, JSON, body)
            answer = await response.read()
            times.append((time.perf_counter() - began) * 1000)
            if response.status != 200:
                raise RuntimeError(f"{response.status}: {answer[:300]!r}")

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return len(times) / (time.perf_counter() - began), times


async def alternate(rounds: int, *sides: Callable[[], Awaitable[None]]) -> None:
    """Runs the sides in turn, so that other work on the machine disturbs all of them alike."""
    for number in range(rounds):
        for side in sides if number % 2 == 0 else tuple(reversed(sides)):
            await side()
