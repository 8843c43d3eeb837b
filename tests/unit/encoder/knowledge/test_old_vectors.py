"""Vectors of a model that is not in force any more: when they go, how, and what is never taken for one."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from daemon.core import errors, wire
from daemon.encoder.arrays import Vector
from daemon.encoder.knowledge import Knowledge
from daemon.encoder.knowledge.changes import succession
from daemon.encoder.knowledge.salvage import damage
from daemon.encoder.knowledge.vectors import old_vectors
from tests.support.daemons import CHECKOUT
from tests.support.encoder.knowledge import (
    FINGERPRINT,
    add,
    check_vectors,
    contents,
    delete,
    edit,
    open_base,
    raw_bytes,
    vector,
)

NEW = "fake|new"
COUNT = 1200
HOURS = 24


def other(text: str) -> Vector:
    """Make the new model's vector of a text: 256 dimensions, equal for equal texts only."""
    seed = int.from_bytes(vector(text)[:8].astype(np.uint8).tobytes(), "little")
    return np.random.default_rng(seed).normal(size=256).astype(np.float32)


def embed_anew(base: Knowledge, fingerprint: str = NEW) -> None:
    while page := base.vectors.without(fingerprint):
        texts = [text for _, text in page]
        base.vectors.give(texts, np.stack([other(text) for text in texts]), fingerprint)


def switch(base: Knowledge, fingerprint: str = NEW) -> None:
    embed_anew(base, fingerprint)
    base.old_vectors.in_force(fingerprint)


def drop_all(base: Knowledge, hours: int = HOURS) -> int:
    parts = base.old_vectors.parts(hours)
    for part in parts:
        base.old_vectors.drop(part)
    return sum(len(part.rows) for part in parts)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets so many hours pass, for the times of vectors alone."""
    passed = [0.0]

    def now() -> int:
        return int(datetime.now(UTC).timestamp() * 1e6 + passed[0] * 3.6e9)

    monkeypatch.setattr(old_vectors, "now_us", now)

    def later(hours: float) -> None:
        passed[0] += hours

    return later


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Knowledge]:
    base = open_base(tmp_path / "knowledge.db")
    add(base, *[f"entry number {number}" for number in range(COUNT)])
    base.old_vectors.in_force(FINGERPRINT)
    yield base
    base.close()


def test_they_go_when_nothing_used_them_for_so_long(base: Knowledge, clock: Callable[[float], None]) -> None:
    clock(1000)
    switch(base)
    assert drop_all(base) == 0
    clock(HOURS - 0.1)
    assert drop_all(base) == 0
    check_vectors(base)
    clock(0.2)
    assert drop_all(base) == COUNT
    assert base.vectors.fingerprints() == [NEW]
    assert base.vectors.count_without(NEW) == 0
    assert damage.find(base.database) == []


def test_a_change_back_finds_them_and_their_time_begins_anew(base: Knowledge, clock: Callable[[float], None]) -> None:
    switch(base)
    clock(HOURS - 1)
    assert base.vectors.count_without(FINGERPRINT) == 0
    base.old_vectors.in_force(FINGERPRINT)
    clock(HOURS - 1)
    base.old_vectors.in_force(NEW)
    clock(HOURS - 1)
    assert drop_all(base) == 0
    check_vectors(base)


def test_the_time_goes_on_over_a_restart(tmp_path: Path, clock: Callable[[float], None]) -> None:
    base = open_base(tmp_path / "k.db")
    add(base, "one text", "two text")
    switch(base)
    base.close()
    clock(HOURS + 1)
    base = open_base(tmp_path / "k.db")
    base.old_vectors.in_force(NEW)
    assert drop_all(base) == 2
    base.close()


def test_those_of_a_model_that_is_about_to_come_stay(base: Knowledge, clock: Callable[[float], None]) -> None:
    """A re-embedding writes them beside the encoder, hours before they are in force."""
    page = [text for _, text in base.vectors.without(NEW)]
    for at in range(0, 900, 100):
        part = page[at : at + 100]
        base.vectors.give(part, np.stack([other(text) for text in part]), NEW)
        base.old_vectors.in_force(FINGERPRINT)
        clock(HOURS - 1)
        assert drop_all(base) == 0
    clock(2)
    assert drop_all(base) == 900  # nothing was written since: the re-embedding was given up
    check_vectors(base)


def test_what_is_written_after_they_were_listed_stops_the_removal(
    base: Knowledge, clock: Callable[[float], None]
) -> None:
    switch(base)
    clock(HOURS + 1)
    parts = base.old_vectors.parts(HOURS)
    base.vectors.stage(["a text that comes"], vector("a text that comes")[None], FINGERPRINT)
    for part in parts:
        base.old_vectors.drop(part)
    check_vectors(base)


def test_nothing_goes_before_it_is_known_which_ones_are_in_force(
    tmp_path: Path, clock: Callable[[float], None]
) -> None:
    base = open_base(tmp_path / "k.db")
    add(base, "one text")
    switch(base)
    clock(HOURS + 1)
    beside = open_base(tmp_path / "k.db", beside=True)
    assert beside.old_vectors.parts(HOURS) == []
    assert beside.old_vectors.drop_some() == 0
    beside.close()
    base.close()


def test_a_part_is_small_and_changes_go_between_parts(base: Knowledge, clock: Callable[[float], None]) -> None:
    switch(base)
    clock(HOURS + 1)
    base.old_vectors.in_force(FINGERPRINT)  # now the ones of 256 dimensions, 1 KiB each, are old
    clock(HOURS + 1)
    parts = base.old_vectors.parts(HOURS)
    assert [len(part.rows) for part in parts] == [1024, COUNT - 1024]
    base.old_vectors.drop(parts[0])
    edit(base, 1, "a text that was changed between two parts")
    base.old_vectors.drop(parts[1])
    check_vectors(base)
    assert base.vectors.fingerprints() == [FINGERPRINT]


def left_in(path: Path, texts: list[str]) -> list[str]:
    raw = raw_bytes(path)
    return [text for text in texts if vector(text).tobytes()[40:80] in raw or other(text).tobytes()[40:80] in raw]


@pytest.mark.parametrize("seed", [1, 4])
def test_forgotten_texts_leave_no_vector_of_any_model(base: Knowledge, tmp_path: Path, seed: int) -> None:
    """Removing many rows moves others to other pages, which keep copies. These seeds leave some without rewriting."""
    switch(base)
    chance = random.Random(seed)  # noqa: S311 - a test's dice
    ids = chance.sample(range(1, COUNT + 1), COUNT)
    texts = {id_: text for id_, (text, _) in contents(base).items()}
    delete(base, *ids[:1000])
    base.writes.purge_history(datetime.now(UTC) + timedelta(days=91))
    delete(base, *ids[1000:1100], forget=True)
    delete(base, *ids[1100:1150], forget=True)
    assert not base.writes.removal_pending
    base.close()
    assert left_in(tmp_path / "knowledge.db", [texts[id_] for id_ in ids[1000:1150]]) == []
    assert len(left_in(tmp_path / "knowledge.db", [texts[id_] for id_ in ids[1150:]])) == 50


def test_forgetting_writes_the_vectors_anew_only_if_rows_have_moved(base: Knowledge, tmp_path: Path) -> None:
    def rows() -> set[int]:
        with base.database.read() as db:
            return {row[0] for row in db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'vectors'")}

    before = rows()
    delete(base, 1, forget=True)
    delete(base, 2, forget=True)
    assert rows() == before
    delete(base, 3)
    base.writes.purge_history(datetime.now(UTC) + timedelta(days=91))
    delete(base, 4, forget=True)
    after = rows()
    assert after != before
    delete(base, 5, forget=True)
    assert rows() == after
    check_vectors(base)
    assert damage.find(base.database) == []
    gone = [f"entry number {number}" for number in range(5)]
    base.close()
    assert left_in(tmp_path / "knowledge.db", gone) == []


def test_a_forgotten_text_may_come_again(base: Knowledge) -> None:
    delete(base, 1, forget=True)
    assert base.vectors.missing(["entry number 0"], FINGERPRINT) == ["entry number 0"]
    assert add(base, "entry number 0").added == [COUNT + 1]
    check_vectors(base)


def test_a_text_that_is_forgotten_while_it_is_encoded_leaves_no_vector(base: Knowledge, tmp_path: Path) -> None:
    taken = [text for _, text in base.vectors.without(NEW, limit=COUNT)]
    delete(base, 7, forget=True)
    base.vectors.give(taken, np.stack([other(text) for text in taken]), NEW)
    assert base.vectors.count_without(NEW) == 0
    base.close()
    assert other(taken[6]).tobytes() not in raw_bytes(tmp_path / "knowledge.db")
    assert other(taken[7]).tobytes() in raw_bytes(tmp_path / "knowledge.db")


def test_their_room_is_given_back(base: Knowledge, clock: Callable[[float], None]) -> None:
    switch(base)
    base.old_vectors.in_force(FINGERPRINT)
    base.database.truncate_log()
    before = base.path.stat().st_size
    clock(HOURS + 1)
    drop_all(base)
    base.database.truncate_log()
    assert base.path.stat().st_size == before
    while base.old_vectors.give_back():
        pass
    base.database.truncate_log()
    assert base.path.stat().st_size < 0.75 * before
    check_vectors(base)
    assert damage.find(base.database) == []


def test_a_file_made_without_auto_vacuum_goes_on_as_it_is(tmp_path: Path, clock: Callable[[float], None]) -> None:
    path = tmp_path / "k.db"
    open_base(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.executescript("PRAGMA journal_mode = DELETE; PRAGMA auto_vacuum = NONE; VACUUM; PRAGMA journal_mode = WAL")
    base = open_base(path)
    add(base, *[f"entry number {number}" for number in range(COUNT)])
    switch(base)
    base.old_vectors.in_force(FINGERPRINT)
    clock(HOURS + 1)
    drop_all(base)
    assert not base.old_vectors.give_back()
    check_vectors(base)
    base.close()


def test_lack_of_room_takes_them_earlier_but_not_within_the_hour(
    tmp_path: Path, clock: Callable[[float], None]
) -> None:
    base = open_base(tmp_path / "k.db", disk_mb=8)
    add(base, *[f"entry number {number}" for number in range(COUNT)])
    switch(base)
    base.old_vectors.in_force(FINGERPRINT)

    def fill() -> int:
        for count in range(10_000):
            try:
                add(base, *[f"filling {base.reads.revision} {at} " + "x" * 500 for at in range(20)])
            except errors.DiskFull:
                return count
        raise AssertionError("the disk was never full")

    assert fill() > 0
    assert base.vectors.count_without(NEW) <= base.reads.total - COUNT
    clock(1.1)
    assert fill() > 0
    assert base.vectors.fingerprints() == [FINGERPRINT]
    check_vectors(base)
    base.close()


def test_what_was_in_force_in_a_backup_says_nothing_about_now(tmp_path: Path, clock: Callable[[float], None]) -> None:
    base = open_base(tmp_path / "k.db")
    add(base, "one text", "two text")
    switch(base)  # the backup is made while NEW is in force …
    base.database.backup(tmp_path / "backup.db")
    base.old_vectors.in_force(FINGERPRINT)
    clock(HOURS + 1)
    fresh = open_base(tmp_path / "backup.db")  # … and restored when it is not
    succession.succeed(base.database, fresh.database, None, "user:demo", lambda _: _operation())
    fresh.close()
    base.replace_with(tmp_path / "backup.db", 5)
    assert drop_all(base) == 0
    base.old_vectors.in_force(FINGERPRINT)
    assert drop_all(base) == 0
    clock(HOURS + 1)
    assert drop_all(base) == 2
    check_vectors(base)
    base.close()


def _operation() -> wire.Operation:
    now = datetime.now(UTC)
    return wire.Operation(id="e-1", kind="restore", state=wire.OperationState.DONE, started_at=now, ended_at=now)


_REMOVER = """
import sys
from pathlib import Path
from daemon.encoder.knowledge import Knowledge
base = Knowledge.open(Path(sys.argv[1]), min_chars=1, history_days=90, disk_mb=None)
base.old_vectors.in_force(sys.argv[2])
for part in base.old_vectors.parts(1):
    print("next", flush=True)
    input()
    base.old_vectors.drop(part)
while base.old_vectors.give_back():
    print("next", flush=True)
    input()
print("done", flush=True)
"""


def test_a_kill_at_any_moment_leaves_a_good_base_and_less_to_do(tmp_path: Path) -> None:
    path = tmp_path / "k.db"
    base = open_base(path)
    add(base, *[f"entry number {number}" for number in range(COUNT)])
    for number in range(12):  # enough to be killed again and again
        embed_anew(base, f"old|{number}")
    base.old_vectors.in_force(FINGERPRINT)
    base.close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE meta SET value = 0 WHERE key LIKE 'unused:%'")
    chance = random.Random(3)  # noqa: S311 - a test's dice
    left, kills = [_vectors(path)], 0
    while not _removed(path, steps=chance.randrange(2, 9)):
        kills += 1
        left.append(_vectors(path))
    assert kills > 3
    assert left == sorted(left, reverse=True)
    base = open_base(path)
    check_vectors(base)
    assert base.vectors.fingerprints() == [FINGERPRINT]
    assert damage.find(base.database) == []
    base.close()


def _vectors(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("SELECT count(*) FROM vectors").fetchone()[0])


def _removed(path: Path, steps: int) -> bool:
    """Run upkeep in a process that is killed after so many steps; True: it was done before that."""
    command = [sys.executable, "-c", _REMOVER, str(path), FINGERPRINT]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=CHECKOUT, env=environment, bufsize=0) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(steps + 1):
            if process.stdout.readline() == b"done\n":
                return True
            process.stdin.write(b"\n")
        process.kill()
    return False
