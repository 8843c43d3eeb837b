"""A mixed load with everything going wrong: `python -m tests.benchmarks.soak --minutes 10`.

Several clients search, edit and import on four tenants (one with the embedded model) while encoders are killed,
restarted and parked, and tenant files change. It ends with 1 when there was an error beyond the promised kinds, when
an acknowledged entry is missing or there twice, when memory or open files grew beyond the bounds below, or when a
zombie is left.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from statistics import quantiles
from typing import Any

import psutil

from daemon.client import AsyncClient
from daemon.core.errors import VecwardError
from daemon.core.units import MIB
from daemon.core.wire import NewEntry, OperationState
from tests.support.daemons import RunningDaemon, fake_tenant, running_daemon

# A request may wait too long for an encoder that is being started, or meet a full queue.
PROMISED = frozenset({"queue-full", "tenant-starting", "encoder-hung"})
DAEMON_GROWTH_MB = 12.0
ENCODER_GROWTH_MB = 48.0  # its base grows: history, vectors, index
OPEN_FILES_GROWTH = 24
SETTLE_S = 120.0  # for every encoder to be back after the load
WARM_UP_SHARE = 0.2  # of the time, before the first measurement
ENDED = frozenset({OperationState.DONE, OperationState.INTERRUPTED, OperationState.FAILED})


def tenants() -> dict[str, Any]:
    return {
        "acme": fake_tenant(),
        "globex": fake_tenant(search={"max_queue": 8}),
        "lazy": fake_tenant(limits={"park_after_s": 2}),
        "real": fake_tenant(encoder={"backend": "use-multilingual"}),
    }


@dataclass
class Footprint:
    daemon_mb: float
    daemon_files: int
    encoders_mb: dict[str, float]
    zombies: int


@dataclass
class Tally:
    requests: Counter[str] = field(default_factory=Counter)
    promised: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    chaos: Counter[str] = field(default_factory=Counter)
    imports: Counter[str] = field(default_factory=Counter)
    search_ms: list[float] = field(default_factory=list)

    async def count(self, what: str, call: Awaitable[Any]) -> Any:
        """The answer of a call, or None where it was refused."""
        self.requests[what] += 1
        try:
            return await call
        except VecwardError as error:
            if error.kind in PROMISED:
                self.promised[error.kind] += 1
            else:
                self.errors[f"{what}: {error.kind}: {error.message[:160]}"] += 1
            return None


@dataclass
class Soak:
    daemon: RunningDaemon
    chance: random.Random
    until: float
    tally: Tally = field(default_factory=Tally)
    numbers: Iterator[int] = field(default_factory=count)
    kept: dict[str, dict[int, str]] = field(default_factory=dict)  # tenant → what was acknowledged to be there
    unsure: dict[str, set[str]] = field(default_factory=dict)  # texts whose change was refused or cut off

    @property
    def goes_on(self) -> bool:
        return time.monotonic() < self.until

    def client(self) -> AsyncClient:
        return AsyncClient(self.daemon.paths.daemon_socket)

    # --- load ---

    async def search(self, tenant: str) -> None:
        async with self.client() as client:
            while self.goes_on:
                began = time.perf_counter()
                query = f"entry number {self.chance.randrange(5000)} about printers"
                if await self.tally.count("search", client.search(tenant, query)) is not None:
                    self.tally.search_ms.append((time.perf_counter() - began) * 1000)
                await asyncio.sleep(self.chance.uniform(0, 0.05))

    async def edit(self, tenant: str) -> None:
        """Adds, changes and deletes entries of its own, and knows what must be there."""
        kept, unsure = self.kept[tenant], self.unsure[tenant]
        async with self.client() as client:
            while self.goes_on:
                text = f"{tenant} {next(self.numbers)}: a text that was acknowledged"
                await self._one_edit(client, tenant, text, kept, unsure)
                await asyncio.sleep(self.chance.uniform(0, 0.1))

    async def _one_edit(
        self, client: AsyncClient, tenant: str, text: str, kept: dict[int, str], unsure: set[str]
    ) -> None:
        what = self.chance.choice(("add", "add", "edit", "delete")) if len(kept) < 500 else "delete"
        if what == "add" or not kept:
            added = await self.tally.count("add", client.add(tenant, [NewEntry(text=text)]))
            if added is None:
                unsure.add(text)
            else:
                kept[added.added[0]] = text
            return
        entry = self.chance.choice(list(kept))
        if what == "edit":
            changed = await self.tally.count("edit", client.edit(tenant, entry, text=text))
            if changed is None:
                unsure |= {text, kept.pop(entry)}
            else:
                kept[entry] = text
        else:
            before = kept.pop(entry)
            if await self.tally.count("delete", client.delete(tenant, [entry])) is None:
                unsure.add(before)

    async def load_files(self, tenant: str) -> None:
        """Imports a file, then deletes what came of it."""
        async with self.client() as client:
            while self.goes_on:
                number = next(self.numbers)
                lines = "\n".join(f"{tenant} import {number}, line {line}: something imported" for line in range(1000))
                call = client.import_entries(tenant, lines.encode(), "text/plain")
                operation = await self.tally.count("import", call)
                if operation is not None:
                    await self._until_ended(client, tenant, operation.id)
                await self._delete_imported(client, tenant)
                await asyncio.sleep(self.chance.uniform(1, 4))

    async def _until_ended(self, client: AsyncClient, tenant: str, operation: str) -> None:
        while self.goes_on:
            found = await self.tally.count("wait", client.wait(tenant, operation, timeout=5))
            if found is not None and found.state in ENDED:
                self.tally.imports[found.state.value] += 1
                return

    async def _delete_imported(self, client: AsyncClient, tenant: str) -> None:
        page = await self.tally.count("page", client.entries(tenant, q="something imported", limit=1000))
        while page is not None and page.entries:
            ids = [entry.id for entry in page.entries]
            await self.tally.count("delete many", client.delete(tenant, ids))
            page = await self.tally.count("page", client.entries(tenant, q="something imported", limit=1000))

    # --- chaos ---

    async def go_wrong(self) -> None:
        names = list(self.kept)
        async with self.client() as client:
            while self.goes_on:
                await asyncio.sleep(self.chance.uniform(0.5, 2.5))
                name = self.chance.choice(names)
                what = self.chance.choice((self._kill, self._kill, self._restart, self._park, self._reload))
                self.tally.chaos[what.__name__.strip("_")] += 1
                await what(client, name)

    async def _kill(self, client: AsyncClient, name: str) -> None:
        view = await self.tally.count("view", client.tenant(name))
        if view is not None and view.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(view.pid, signal.SIGKILL)

    async def _restart(self, client: AsyncClient, name: str) -> None:
        await self.tally.count("restart", client.restart(name))

    async def _park(self, client: AsyncClient, name: str) -> None:
        await self.tally.count("park", client.park(name))

    async def _reload(self, client: AsyncClient, name: str) -> None:
        """Changes a tenant's file; every other change needs a new encoder."""
        changed = tenants()[name]
        changed["title"] = {"en": f"title {self.chance.random()}"}
        changed["knowledge"] = {"history_days": self.chance.choice((89, 90))}
        self.daemon.write_tenant(name, changed)
        self.daemon.signal(signal.SIGHUP)

    # --- measuring ---

    def footprint(self) -> Footprint:
        assert self.daemon.process is not None
        process = psutil.Process(self.daemon.process.pid)
        children = process.children(recursive=True)
        views = {name: self.daemon.tenant(name) for name in self.kept}
        return Footprint(
            process.memory_info().rss / MIB,
            process.num_fds(),
            {name: view.memory_mb for name, view in views.items() if view.memory_mb is not None},
            sum(child.status() == psutil.STATUS_ZOMBIE for child in children if child.is_running()),
        )

    async def settled(self) -> Footprint:
        """The footprint when every encoder is awake and idle and no request is outstanding."""
        end = time.monotonic() + SETTLE_S
        async with self.client() as client:
            for name in self.kept:
                while await self.tally.count("settle", client.search(name, "awake")) is None:
                    if time.monotonic() > end:
                        break  # `verdicts` says that it was not measured
        return await asyncio.to_thread(self.footprint)

    async def missing(self) -> list[str]:
        """Entries that were acknowledged and are missing, or are there twice; and deleted ones that are still there."""
        wrong: list[str] = []
        async with self.client() as client:
            for name, kept in self.kept.items():
                found: Counter[str] = Counter()
                after: int | None = None
                while True:
                    page = await client.entries(name, after=after, limit=1000)
                    found.update(entry.text for entry in page.entries)
                    if (after := page.next) is None:
                        break
                wrong += [f"{name}: missing: {text}" for text in kept.values() if found[text] == 0]
                wrong += [f"{name}: twice: {text}" for text, count in found.items() if count > 1]
                known = set(kept.values()) | self.unsure[name]
                wrong += [f"{name}: deleted, yet there: {t}" for t in found if "acknowledged" in t and t not in known]
        return wrong

    async def run(self, seconds: float) -> tuple[Footprint, Footprint, list[str]]:
        load: list[Callable[[], Awaitable[None]]] = [self.go_wrong]
        for name in self.kept:
            load += [lambda name=name: self.search(name), lambda name=name: self.edit(name)]  # type: ignore[misc]
        load += [lambda: self.search("globex"), lambda: self.load_files("acme"), lambda: self.load_files("real")]
        self.until = time.monotonic() + seconds * WARM_UP_SHARE
        await asyncio.gather(*(each() for each in load))
        first = await self.settled()
        self.until = time.monotonic() + seconds * (1 - WARM_UP_SHARE)
        await asyncio.gather(*(each() for each in load))
        return first, await self.settled(), await self.missing()


def verdicts(soak: Soak, first: Footprint, last: Footprint, missing: list[str]) -> list[str]:
    found = [f"{count} × {error}" for error, count in soak.tally.errors.items()] + missing
    if last.daemon_mb - first.daemon_mb > DAEMON_GROWTH_MB:
        found.append(f"the daemon grew by {last.daemon_mb - first.daemon_mb:.1f} MiB (at most {DAEMON_GROWTH_MB})")
    if last.daemon_files - first.daemon_files > OPEN_FILES_GROWTH:
        found.append(f"open files: {first.daemon_files} → {last.daemon_files} (at most {OPEN_FILES_GROWTH} more)")
    for name in soak.kept:
        if name not in first.encoders_mb or name not in last.encoders_mb:
            found.append(f"the encoder of {name} was not up within {SETTLE_S:g} s, so its memory is not measured")
            continue
        grown = last.encoders_mb[name] - first.encoders_mb[name]
        if grown > ENCODER_GROWTH_MB:
            found.append(f"the encoder of {name} grew by {grown:.1f} MiB (at most {ENCODER_GROWTH_MB})")
    if last.zombies:
        found.append(f"{last.zombies} zombies")
    return found


def report(soak: Soak, first: Footprint, last: Footprint) -> None:
    tally = soak.tally
    cuts = quantiles(tally.search_ms, n=100)
    print(f"requests        {sum(tally.requests.values())}: {dict(tally.requests)}")
    print(f"searches        p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, worst {max(tally.search_ms):.0f} ms")
    print(f"promised kinds  {dict(tally.promised)}")
    print(f"other errors    {dict(tally.errors)}")
    print(f"imports         {dict(tally.imports)}")
    print(f"done to it      {dict(tally.chaos)}")
    print(f"daemon          {first.daemon_mb:.1f} → {last.daemon_mb:.1f} MiB")
    print(f"open files      {first.daemon_files} → {last.daemon_files}")
    for name in sorted(last.encoders_mb):
        print(f"encoder {name:<8}{first.encoders_mb.get(name, 0):.1f} → {last.encoders_mb[name]:.1f} MiB")
    print(f"zombies         {last.zombies}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    names = tenants()
    with running_daemon(names) as daemon:
        daemon.ready("acme", "globex", "real")
        chance = random.Random(asked.seed)  # noqa: S311  (a soak that can be run again)
        soak = Soak(daemon, chance, 0.0, kept={n: {} for n in names}, unsure={n: set() for n in names})
        first, last, missing = asyncio.run(soak.run(asked.minutes * 60))
        report(soak, first, last)
        wrong = verdicts(soak, first, last, missing)
        hung = daemon.output().count('"tenant-hung"')
        tracebacks = daemon.output().count('"traceback"')
    wrong += [f"{tracebacks} tracebacks in the daemon's log"] if tracebacks else []
    print(f"hung encoders   {hung}")
    print("\n".join(["", *(f"WRONG: {each}" for each in wrong)]) if wrong else "all as promised")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
