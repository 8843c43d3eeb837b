"""The time that the daemon adds between caller and encoder: `python -m tests.benchmarks.relay`.

Both sides ask the same fake encoder for the same searches: directly on its own socket, and through the daemon's.
"""

from __future__ import annotations

from statistics import median

import uvloop

from daemon.core.http.pool import Pool
from tests.benchmarks.common import ROUNDS, Series, alternate, latencies, search_body, throughput
from tests.support.daemons import RunningDaemon, fake_tenant, running_daemon

REQUESTS = 2000
CLIENTS = 32
TARGET = "/v1/tenants/acme/search"


async def measure(daemon: RunningDaemon) -> None:
    direct, relayed = Pool(daemon.paths.tenant("acme").socket), Pool(daemon.paths.daemon_socket)
    p50, rate = Series("one client, p50", "ms"), Series(f"{CLIENTS} clients", "req/s")
    bodies = [search_body(f"query {number}") for number in range(REQUESTS)]

    async def side(pool: Pool, times: list[float], rates: list[float]) -> None:
        found, _ = await latencies(pool, TARGET, bodies[:500])
        times.append(median(found))
        rates.append((await throughput(pool, TARGET, bodies * 2, CLIENTS))[0])

    await side(direct, [], [])
    await side(relayed, [], [])
    await alternate(ROUNDS, lambda: side(relayed, p50.ours, rate.ours), lambda: side(direct, p50.theirs, rate.theirs))
    added = median(p50.ours) - median(p50.theirs)
    print(f"{'':<46} {'daemon':>10} {'':>18} {'direct':>10}")
    print(p50.line(f"added {added:.3f} ms (must: at most 0.3)"))
    print(rate.line("(must: at least 6,000 req/s)"))
    await direct.close()
    await relayed.close()


def main() -> None:
    with running_daemon({"acme": fake_tenant()}) as daemon:
        daemon.ready("acme")
        with daemon.client() as client:
            client.set_texts("acme", [f"entry number {number}" for number in range(10)])
        uvloop.run(measure(daemon))


if __name__ == "__main__":
    main()
