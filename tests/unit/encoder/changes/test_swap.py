"""A base that takes another one's place: whole, in order, and at any moment one of the two."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from daemon.core import wire
from daemon.core.errors import InternalError, RevisionChanged, Unavailable
from daemon.encoder.knowledge import Knowledge
from daemon.encoder.knowledge.changes import succession
from daemon.encoder.knowledge.changes.succession import Restored
from daemon.encoder.knowledge.salvage import damage
from tests.support.daemons import wait_for
from tests.support.encoder.knowledge import add, check_vectors, contents, delete, open_base

CHECKOUT = Path(__file__).resolve().parents[4]
OPERATION = wire.Operation(
    id="e-1", kind="restore", state=wire.OperationState.DONE, started_at="2026-11-01T00:00:00Z", result={}
)

# Ends by os._exit at the n-th of the steps that change names on the disk.
CHILD = """
import os, sys
from pathlib import Path
from daemon.core.files import replace
from tests.support.encoder.knowledge import open_base

steps = int(sys.argv[2])
def counted(function):
    def call(*arguments, **named):
        global steps
        steps -= 1
        if steps == 0:
            os._exit(9)
        return function(*arguments, **named)
    return call

base = open_base(Path(sys.argv[1]))
base.reads.page(None, 1, None)
for owner, name in ((os, "link"), (Path, "rename"), (Path, "unlink"), (replace, "sync_folder"), (os, "fsync")):
    setattr(owner, name, counted(getattr(owner, name)))
base.replace_with(Path(sys.argv[1]).with_name("fresh.db"), 1.0)
print("whole", flush=True)
os._exit(0)
"""


@pytest.fixture
def old(tmp_path: Path) -> Knowledge:
    base = open_base(tmp_path / "knowledge.db")
    add(base, *(f"old number {i}" for i in range(100)))
    delete(base, 100)
    return base


def fresh_in(folder: Path, name: str = "fresh.db") -> Path:
    base = open_base(folder / name)
    add(base, *(f"new number {i}" for i in range(50)))
    base.close()
    return folder / name


def texts(base: Knowledge) -> set[str]:
    return {text.split()[0] for text, _ in contents(base).values()}


def succeed(old: Knowledge, path: Path, if_match: int | None = None) -> Restored:
    fresh = open_base(path)
    try:
        return succession.succeed(old.database, fresh.database, if_match, "user:demo", lambda _: OPERATION)
    finally:
        fresh.close()


def test_the_successor_counts_on_from_both(old: Knowledge, tmp_path: Path) -> None:
    path = fresh_in(tmp_path)
    with pytest.raises(RevisionChanged):
        succeed(old, path, if_match=1)
    restored = succeed(old, path, if_match=2)
    assert (restored.revision, restored.entries, restored.replaced) == (3, 50, 99)
    old.replace_with(path, 1.0)
    assert not path.exists()
    assert (old.reads.revision, old.reads.total, texts(old)) == (3, 50, {"new"})
    assert old.operations.get("e-1") == OPERATION
    assert old.vectors.changes_since(2, "fake|64") is None, "no snapshot of an older revision is this base's"
    assert add(old, "after the exchange").added == [101], "100 was given by the old base"
    check_vectors(old)
    assert damage.find(old.database) == []
    old.close()
    again = open_base(tmp_path / "knowledge.db")
    assert again.reads.total == 51
    again.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["knowledge.db", "knowledge.db.lock"]


def test_what_cannot_be_opened_leaves_the_old_base(old: Knowledge, tmp_path: Path) -> None:
    expected = contents(old)
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"SQLite format 3\0" + bytes(100_000))
    with pytest.raises(Exception, match="damaged"):
        old.replace_with(broken, 1.0)
    assert contents(old) == expected
    add(old, "and it can be written")
    old.close()


def test_a_base_that_was_not_closed_is_not_taken(old: Knowledge, tmp_path: Path) -> None:
    fresh = open_base(tmp_path / "fresh.db")
    add(fresh, "in the log alone")
    with pytest.raises(InternalError, match="was not closed"):
        old.replace_with(tmp_path / "fresh.db", 1.0)
    fresh.close()
    assert texts(old) == {"old"}
    old.close()


def test_readers_are_waited_for_and_held_back(old: Knowledge, tmp_path: Path) -> None:
    path = fresh_in(tmp_path)
    with old.database.read(), pytest.raises(Unavailable, match="being read"):
        old.replace_with(path, 0.05)
    assert texts(old) == {"old"}
    reading, go = threading.Event(), threading.Event()

    def read() -> None:
        with old.database.read() as db:
            reading.set()
            go.wait(20)
            seen.append(db.execute("SELECT count(*) FROM entries").fetchone()[0])

    seen: list[int] = []
    reader = threading.Thread(target=read)
    reader.start()
    reading.wait(20)
    exchange = threading.Thread(target=old.replace_with, args=(path, 20.0))
    exchange.start()
    wait_for(lambda: old.database._readers._shut, what="the gate to shut")
    late = threading.Thread(target=lambda: seen.append(old.reads.page(None, 1, None).total))
    late.start()
    go.set()
    for thread in (reader, exchange, late):
        thread.join(20)
    assert seen == [99, 50]
    old.close()


def test_a_second_process_is_not_cut_off(old: Knowledge, tmp_path: Path) -> None:
    path = fresh_in(tmp_path)
    beside = Knowledge.open(tmp_path / "knowledge.db", min_chars=1, history_days=90, disk_mb=None, beside=True)
    with pytest.raises(Unavailable, match="second process"):
        old.replace_with(path, 1.0)
    assert texts(old) == {"old"}
    beside.close()
    old.replace_with(path, 1.0)
    assert texts(old) == {"new"}
    old.close()


def test_an_end_at_any_step_leaves_one_of_the_two(old: Knowledge, tmp_path: Path) -> None:
    old.close()
    new, before = {"new"}, {"old"}
    seen: list[set[str]] = []
    for step in range(1, 40):
        folder = tmp_path / str(step)
        folder.mkdir()
        base = open_base(folder / "knowledge.db")
        add(base, *(f"old number {i}" for i in range(100)))
        base.close()
        fresh_in(folder)
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(folder / "knowledge.db"), str(step)],
            capture_output=True,
            text=True,
            cwd=CHECKOUT,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
            check=False,
        )
        assert done.returncode in (0, 9), done.stderr
        base = open_base(folder / "knowledge.db")
        seen.append(texts(base))
        assert damage.find(base.database) == []
        assert base.reads.total == (50 if seen[-1] == new else 100)
        add(base, "it can be written")
        base.close()
        if done.stdout == "whole\n":
            break
    turned = seen.index(new)
    assert turned > 2
    assert seen == [before] * turned + [new] * (len(seen) - turned)
