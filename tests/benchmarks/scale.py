"""A thousand tenants that are configured and parked: `python -m tests.benchmarks.scale`.

What they cost the daemon beyond one tenant, how fast it starts with them, and how fast its list answers.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from statistics import median
from typing import Any

import psutil

from daemon.core.http.pool import Pool
from daemon.core.units import MIB
from tests.support.daemons import RunningDaemon, fake_tenant, running_daemon, wait_for

ROUNDS = 7
QUERIES = (
    "limit=100",
    "limit=1000",
    "q=0077",
    "state=parked&limit=100",
    "sort=-memory_mb&limit=100",
    "sort=name&after=t0500&limit=100",
)


def tenant(number: int) -> dict[str, Any]:
    return fake_tenant(title={"en": f"Department {number}", "zh": f"部门 {number}"}, limits={"park_after_s": 600})


def resident_mb(daemon: RunningDaemon) -> float:
    assert daemon.process is not None
    return psutil.Process(daemon.process.pid).memory_info().rss / MIB


def parked(daemon: RunningDaemon) -> int:
    with daemon.client() as client:
        return client.tenants(limit=1, state="parked").total or 0


async def lists(daemon: RunningDaemon) -> dict[str, float]:
    """Milliseconds, the median of each query."""
    pool = Pool(daemon.paths.daemon_socket)
    found = {}
    for query in QUERIES:
        times = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            response = await pool.send("GET", f"/v1/tenants?{query}", [], b"")
            await response.read()
            times.append((time.perf_counter() - began) * 1000)
            assert response.status == 200
        found[query] = median(times)
    await pool.close()
    return found


def measure(count: int) -> float:
    """Resident MiB of a daemon with so many parked tenants that has answered a few lists."""
    with running_daemon({f"t{number:04}": tenant(number) for number in range(count)}, start=False) as daemon:
        began = time.perf_counter()
        daemon.start()
        answered = time.perf_counter() - began
        wait_for(lambda: parked(daemon) == count, 60, "all parked")
        settled = time.perf_counter() - began
        times = asyncio.run(lists(daemon))
        used = resident_mb(daemon)
        print(
            f"{count} tenants: {used:.1f} MiB; answers after {answered:.1f} s, all parked after {settled:.1f} s;"
            f" {len(daemon.children())} encoders"
        )
        for query, ms in times.items():
            print(f"  GET /v1/tenants?{query:<36} {ms:7.1f} ms (must: under 100)")
        return used


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tenants", type=int, default=1000)
    asked = parser.parse_args()
    one = measure(1)
    many = measure(asked.tenants)
    print(f"{asked.tenants} parked tenants cost {many - one:.1f} MiB (must: under 40)")


if __name__ == "__main__":
    main()
