"""An acknowledged write survives kill -9 of encoder, daemon and both, at any moment, and none is done twice.

``python -m tests.storms 80 -k kills_at_any_moment`` for 2,000 kills; VECWARD_SEED=7 in the environment repeats a run.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from daemon.encoder.knowledge import Knowledge
from daemon.encoder.knowledge.salvage import damage
from tests.storms import limit, rounds, seed, storm
from tests.support.daemons import RunningDaemon, after_steps, fake_tenant, running_daemon, wait_for
from tests.support.encoder.durability import Tally, Writer, base_of, check_history, history_of

KILLS = rounds(25)
SEED = seed()
TENANTS = {"acme": 2, "bell": 2, "crow": 1, "dune": 1}  # writers of each; one alone also replaces everything


class Killer:
    """Kills at random moments: an encoder, whatever it is about; the daemon; or both at once."""

    def __init__(self, daemon: RunningDaemon, writers: list[Writer], chance: random.Random) -> None:
        self.kills: Counter[str] = Counter()
        self._daemon = daemon
        self._writers = writers
        self._chance = chance

    def kill_until(self, total: int, alive: threading.Event) -> None:
        while self.kills.total() < total and alive.is_set():
            for _ in range(self._chance.randrange(12)):
                self._wait_for_writes()
                self._kill_encoder()
            self._wait_for_writes()
            if self._chance.random() < 0.3:
                self._kill_encoder("both")
            self._daemon.kill()
            self.kills["daemon"] += 1
            self._daemon.start()

    def _wait_for_writes(self) -> None:
        """Returns after some changes, or after a while without that many."""
        before, wanted = self._acknowledged(), self._chance.randrange(1, 12)
        end = time.monotonic() + self._chance.uniform(0.2, 0.8)
        wait_for(lambda: self._acknowledged() >= before + wanted or time.monotonic() > end, what="writes")

    def _acknowledged(self) -> int:
        return sum(writer.tally.acknowledged for writer in self._writers)

    def _kill_encoder(self, why: str = "encoder") -> None:
        """Any child: one that serves, or one that is just starting."""
        children = self._daemon.children()
        if children:
            victim = self._chance.choice(sorted(children, key=lambda child: child.pid))
            after_steps(victim.pid, self._chance.randrange(8), deadline_s=self._chance.uniform(0, 0.03))
            try:
                victim.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                return
            self.kills[why] += 1


@storm
@limit(240)
def test_kills_at_any_moment_lose_nothing_and_do_nothing_twice() -> None:
    print(f"VECWARD_SEED={SEED} kills={KILLS}")  # noqa: T201 - to repeat it
    began = time.monotonic()
    with running_daemon({name: fake_tenant(search={"wait_s": 30}) for name in TENANTS}) as daemon:
        daemon.ready(*TENANTS)
        writers = [
            Writer(daemon, tenant, f"w{tenant}{number}", SEED + 100 * at + number, alone=count == 1)
            for at, (tenant, count) in enumerate(TENANTS.items())
            for number in range(count)
        ]
        stop, alive = threading.Event(), threading.Event()
        alive.set()
        killer = Killer(daemon, writers, random.Random(SEED))  # noqa: S311 - a test's dice
        with ThreadPoolExecutor(len(writers)) as pool:
            futures = [pool.submit(writer.run, stop) for writer in writers]
            for future in futures:
                future.add_done_callback(lambda _: alive.clear())  # it failed: no reason to go on
            try:
                killer.kill_until(KILLS, alive)
                if alive.is_set():
                    daemon.ready(*TENANTS)
            finally:
                stop.set()
            for future in futures:
                future.result()
        _check(daemon, writers)
        _report(killer.kills, [writer.tally for writer in writers], time.monotonic() - began)
        assert daemon.stop() == 0
        for name in TENANTS:
            _check_file(daemon, name)


def _check(daemon: RunningDaemon, writers: list[Writer]) -> None:
    with daemon.client() as client:
        for name in TENANTS:
            own = [writer for writer in writers if writer.tenant == name]
            expected = {id_: text for writer in own for id_, text in writer.held.items()}
            assert base_of(client, name) == expected
            revisions = [set(writer.tally.revisions) for writer in own]
            assert len(set().union(*revisions)) == sum(map(len, revisions)), "one revision for two writers' changes"
            told = {revision: kind for writer in own for revision, kind in writer.tally.revisions.items()}
            check_history(history_of(client, name), told)
            for id_, text in random.Random(SEED).sample(sorted(expected.items()), min(5, len(expected))):  # noqa: S311
                hit = client.search(name, text).results[0]
                assert (hit.id, hit.score) == (id_, pytest.approx(1, abs=1e-5)), "the index has it, too"


def _check_file(daemon: RunningDaemon, name: str) -> None:
    path = daemon.paths.tenant(name).knowledge_db
    base = Knowledge.open(path, min_chars=5, history_days=90, disk_mb=None)
    try:
        assert damage.find(base.database) == []
    finally:
        base.close()


def _report(kills: Counter[str], tallies: list[Tally], seconds: float) -> None:
    figures = {
        name: sum(getattr(tally, name) for tally in tallies)
        for name in ("acknowledged", "unknown", "done_though_unknown", "lost")
    }
    print(f"kills {dict(kills)}, changes {figures}, {seconds:.0f} s")  # noqa: T201
    assert figures["acknowledged"] > KILLS
