"""Kills and damage, with real files and processes."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from daemon.core import errors, wire
from daemon.encoder.knowledge import Knowledge
from daemon.encoder.knowledge.file import schema
from daemon.encoder.knowledge.salvage import damage
from daemon.encoder.knowledge.salvage.recover import recover
from tests.support.encoder.knowledge import add, check_vectors, contents, context, delete, edit, open_base, vector

CHECKOUT = Path(__file__).resolve().parents[4]
KILLS = 20

WRITER = """
import json, random, sys
from pathlib import Path
from daemon.core import wire
from tests.support.encoder.knowledge import add, context, contents, open_base

base = open_base(Path(sys.argv[1]))
chance = random.Random(int(sys.argv[2]))
ids = list(contents(base))
for number in range(1_000_000):
    request = f"{sys.argv[2]}-{number}"
    kind = chance.choice(["add", "add", "edit", "delete"]) if ids else "add"
    if kind == "add":
        texts = [f"text {request} {i} x" + "x" * chance.randrange(500) for i in range(chance.choice([1, 1, 40]))]
        call = {"kind": kind, "texts": texts}
    elif kind == "edit":
        call = {"kind": kind, "id": chance.choice(ids), "text": f"edited {request}"}
    else:
        call = {"kind": kind, "id": ids[chance.randrange(len(ids))]}
    print(json.dumps({"try": request, "call": call}), flush=True)
    if kind == "add":
        done = add(base, *call["texts"], request_id=request)
        ids += done.added
    elif kind == "edit":
        base.writes.edit(call["id"], call["text"], None, context([call["text"]], request_id=request))
    else:
        base.writes.delete([call["id"]], False, context(request_id=request))
        ids.remove(call["id"])
    print(json.dumps({"done": request, "revision": base.reads.revision}), flush=True)
"""


class Model:
    """The entries that the base must hold after the acknowledged calls."""

    def __init__(self) -> None:
        self.texts: dict[int, str] = {}
        self.next = 1

    def apply(self, call: dict[str, Any]) -> None:
        if call["kind"] == "add":
            for text in call["texts"]:
                self.texts[self.next] = text
                self.next += 1
        elif call["kind"] == "edit":
            self.texts[call["id"]] = call["text"]
        else:
            del self.texts[call["id"]]


def _send_again(base: Knowledge, request: str, call: dict[str, Any]) -> None:
    if call["kind"] == "add":
        entries = [wire.NewEntry(text=text) for text in call["texts"]]
        base.writes.add(entries, context(call["texts"], request_id=request))
    elif call["kind"] == "edit":
        base.writes.edit(call["id"], call["text"], None, context([call["text"]], request_id=request))
    else:
        base.writes.delete([call["id"]], False, context(request_id=request))


def _run_and_kill(path: Path, seed: int, acknowledged: int) -> list[dict[str, Any]]:
    """The lines of a writer that is killed somewhere after its `acknowledged`th acknowledgement."""
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(seed)],
        stdout=subprocess.PIPE,
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )
    assert child.stdout is not None
    lines: list[bytes] = []
    with child.stdout:
        for line in child.stdout:
            lines.append(line)
            if line.startswith(b'{"done"'):
                acknowledged -= 1
            if acknowledged <= 0:
                child.send_signal(signal.SIGKILL)
                break
        lines += child.stdout.readlines()
    assert child.wait() == -signal.SIGKILL
    return [json.loads(line) for line in lines if line.endswith(b"\n")]


def test_kill_at_any_moment_loses_nothing_and_applies_nothing_twice(tmp_path: Path) -> None:
    path, model, chance = tmp_path / "knowledge.db", Model(), random.Random(3)  # noqa: S311 - a test's dice
    for seed in range(KILLS):
        lines = _run_and_kill(path, seed, chance.randrange(1, 30))
        base = open_base(path)
        tried = [line for line in lines if "try" in line]
        done = {line["done"] for line in lines if "done" in line}
        for line in tried:
            if line["try"] not in done:
                assert line is tried[-1]
                _send_again(base, line["try"], line["call"])
                _send_again(base, line["try"], line["call"])
            model.apply(line["call"])
        assert {id_: text for id_, (text, _) in contents(base).items()} == model.texts
        assert damage.find(base.database) == []
        base.close()
    base = open_base(path)
    check_vectors(base)
    base.close()


# --- damage ---


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    path = tmp_path / "knowledge.db"
    base = open_base(path)
    add(base, *[f"entry number {i} " + "x" * (i % 300) for i in range(1500)], metadata={"a": 1})
    add(base, "long text " + "y" * 60_000)
    edit(base, 7, "entry seven, edited")
    delete(base, 9)
    base.close()
    return path


def _files(path: Path) -> dict[str, bytes]:
    return {part.name: part.read_bytes() for part in path.parent.iterdir() if not part.name.endswith("-shm")}


def _refused(path: Path) -> errors.StartRefused:
    before = _files(path)
    with pytest.raises(errors.StartRefused) as caught:
        open_base(path)
    after = _files(path)
    assert {name: len(data) for name, data in after.items() if data} == {n: len(d) for n, d in before.items() if d}
    assert all(after[name] == data for name, data in before.items() if data)
    return caught.value


@pytest.mark.parametrize("keep", [0, 50, 5000, schema.PAGE_SIZE, schema.PAGE_SIZE * 20 + 7])
def test_a_truncated_file_is_refused_and_left_alone(filled: Path, keep: int) -> None:
    os.truncate(filled, keep)
    error = _refused(filled)
    assert str(filled) in error.message
    assert f"vecward entries recover {filled.parent.name}`" in error.message


def test_a_lost_file_with_its_log_left_is_refused(filled: Path) -> None:
    Path(f"{filled}-wal").write_bytes(b"x" * 100)
    filled.unlink()
    assert "missing" in _refused(filled).message
    assert not filled.exists()


def test_another_programs_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "knowledge.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE t (x)")
    assert "no knowledge base" in _refused(path).message
    path.write_bytes(b"a text file, by mistake\n" * 1000)
    _refused(path)


def test_flipped_bits_are_refused_or_found_and_never_crash(filled: Path, tmp_path: Path) -> None:
    sound, chance = filled.read_bytes(), random.Random(5)  # noqa: S311 - a test's dice
    texts = _texts(filled)
    refused = found = 0
    for i in range(25):
        damaged = bytearray(sound)
        for _ in range(chance.choice([1, 1, 30])):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        path = tmp_path / f"flipped-{i}" / "knowledge.db"
        path.parent.mkdir()
        path.write_bytes(damaged)
        try:
            base = open_base(path)
        except errors.StartRefused:
            refused += 1
        else:
            with contextlib.suppress(errors.StartRefused):
                found += bool(damage.find(base.database))
                base.reads.page(None, 2000, None)
            base.close()
        salvage = recover(path, path.with_name("new.db"))
        saved = _texts(path.with_name("new.db"))
        assert saved.items() <= texts.items()
        assert salvage.entries == len(saved) > len(texts) * 0.8
    assert refused + found >= 12


def test_an_entry_with_a_damaged_number_does_not_take_anothers_place(filled: Path, tmp_path: Path) -> None:
    texts, raw = _texts(filled), bytearray(filled.read_bytes())
    wanted = max(texts)
    number = bytes([0x80 | wanted >> 7, wanted & 0x7F])  # as SQLite writes it
    at = raw.rindex(number, 0, raw.index(texts[wanted][:20].encode()))
    raw[at] ^= 1 << 3  # another number, 1024 lower or higher
    path = tmp_path / "damaged" / "knowledge.db"
    path.parent.mkdir()
    path.write_bytes(raw)
    salvage = recover(path, path.with_name("new.db"))
    assert salvage.damaged_pages
    del texts[wanted]
    assert _texts(path.with_name("new.db")) == texts


def _texts(path: Path) -> dict[int, str]:
    base = open_base(path)
    try:
        return {id_: text for id_, (text, _) in contents(base).items()}
    finally:
        base.close()


def test_recover_brings_back_everything_that_is_readable(filled: Path) -> None:
    expected = _texts(filled)
    base = open_base(filled)
    revision = base.reads.revision
    add(base, "only in the log", metadata={"b": "x"})
    copy = filled.parent / "copy" / "knowledge.db"
    copy.parent.mkdir()
    shutil.copy(filled, copy)
    shutil.copy(f"{filled}-wal", f"{copy}-wal")
    base.close()
    with copy.open("r+b") as file:
        file.write(b"\0" * 100)  # the header: SQLite can't open this at all
    _refused(copy)
    target = copy.with_name("recovered.db")
    salvage = recover(copy, target)
    base = open_base(target)
    assert {id_: text for id_, (text, _) in contents(base).items()} == {**expected, 1502: "only in the log"}
    assert base.reads.entry(1502).metadata == {"b": "x"}
    assert salvage.entries == salvage.expected == salvage.vectors == base.reads.total
    assert base.reads.revision == salvage.revision > revision
    assert base.vectors.changes_since(revision, "fake|64") is None
    assert add(base, "new after recovery").added == [1503]
    check_vectors(base)
    base.close()
    with pytest.raises(errors.DataExists):
        recover(copy, target)


def test_recover_from_a_truncated_file(filled: Path) -> None:
    expected = _texts(filled)
    os.truncate(filled, filled.stat().st_size // 2)
    salvage = recover(filled, filled.with_name("new.db"))
    saved = _texts(filled.with_name("new.db"))
    assert saved.items() <= expected.items()
    assert len(saved) == salvage.entries > 0


def test_a_damaged_vector_is_found_by_its_checksum(filled: Path) -> None:
    raw = bytearray(filled.read_bytes())
    at = raw.index(vector("entry seven, edited").tobytes())
    raw[at + 5] ^= 4
    filled.write_bytes(raw)
    base = open_base(filled)
    assert damage.find(base.database) == ["the vector of entry 7 is damaged"]
    base.close()


def test_a_newer_schema_is_refused(filled: Path) -> None:
    with contextlib.closing(sqlite3.connect(filled)) as db:
        db.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    with pytest.raises(errors.StartRefused) as caught:
        open_base(filled)
    assert f"version {schema.VERSION + 1}" in caught.value.message
    assert f"knows {schema.VERSION}" in caught.value.message


def test_an_older_schema_is_migrated_after_a_copy(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = _texts(filled)

    def migrate(db: sqlite3.Connection) -> None:
        db.execute("ALTER TABLE entries ADD COLUMN new_column TEXT")

    monkeypatch.setattr(schema, "MIGRATIONS", {schema.VERSION: migrate})
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    assert _texts(filled) == expected
    monkeypatch.undo()
    assert _texts(filled.with_name(f"{filled.name}.v{schema.VERSION}")) == expected
    with pytest.raises(errors.StartRefused):
        open_base(filled)


def test_a_failing_migration_changes_nothing(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = _texts(filled)

    def fail(db: sqlite3.Connection) -> None:
        db.execute("DROP TABLE changes")
        raise LookupError

    monkeypatch.setattr(schema, "MIGRATIONS", {schema.VERSION: fail})
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    with pytest.raises(LookupError):
        open_base(filled)
    monkeypatch.undo()
    assert _texts(filled) == expected


def test_backup_while_writing(filled: Path, tmp_path: Path) -> None:
    base = open_base(filled)
    target = tmp_path / "backup" / "copy.db"
    target.parent.mkdir()
    base.database.backup(target)
    expected = contents(base)
    add(base, "after the backup")
    base.close()
    assert [part.name for part in target.parent.iterdir()] == ["copy.db"]
    copy = open_base(target)
    assert contents(copy) == expected
    assert damage.find(copy.database) == []
    copy.close()
