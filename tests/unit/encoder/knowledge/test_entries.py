"""Reading and changing entries."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from daemon.core import errors, wire
from daemon.encoder.knowledge import Knowledge, MissingVectors
from tests.support.encoder.knowledge import (
    FINGERPRINT,
    add,
    check_vectors,
    contents,
    context,
    delete,
    drop_vectors,
    edit,
    open_base,
    set_texts,
    vector,
)


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Knowledge]:
    opened = open_base(tmp_path / "knowledge.db")
    yield opened
    opened.close()


def test_a_new_base_is_empty_and_survives_closing(tmp_path: Path) -> None:
    path = tmp_path / "Wissen ä 知识 ?#%41.db"
    base = open_base(path)
    assert (base.reads.revision, base.reads.total) == (0, 0)
    add(base, "苹果是一种很好吃的水果", metadata={"lang": "zh", "n": 1, "x": None, "ok": True, "f": 1.5})
    base.close()
    again = open_base(path)
    assert (again.reads.revision, again.reads.total) == (1, 1)
    entry = again.reads.entry(1)
    assert entry.text == "苹果是一种很好吃的水果"
    assert entry.metadata == {"lang": "zh", "n": 1, "x": None, "ok": True, "f": 1.5}
    assert entry.created_at == entry.updated_at
    assert path.stat().st_mode & 0o777 == 0o600
    again.close()


def test_texts_are_unique_after_nfc_and_strip(base: Knowledge) -> None:
    assert add(base, "Café au lait").added == [1]
    outcome = add(base, "  Cafe\u0301 au lait\r\n", "new one", "new one ")
    assert outcome.added == [2]
    assert [(r.line, r.kind, r.id) for r in outcome.refused] == [(1, "duplicate", 1), (3, "duplicate", None)]
    assert "entry 1" in outcome.refused[0].reason


def test_each_bad_text_is_refused_with_its_line(tmp_path: Path) -> None:
    base = open_base(tmp_path / "k.db", min_chars=5)
    bad = ["abcd", "", "x" * 70_000, "nul\x00nul", "half \ud800 pair", "水果水果"]
    entries = [wire.NewEntry.model_construct(text=text, metadata={}) for text in [*bad, "fine text"]]
    entries.append(wire.NewEntry(text="fine with big metadata", metadata={"a": "x" * 70_000}))
    entries.append(wire.NewEntry(text="fine with NaN", metadata={"a": float("nan")}))
    checked = base.writes.check(entries)
    assert [line for line, _ in checked.accepted] == [7]
    too_short, too_long, invalid = "too-short", "too-long", "invalid"
    kinds = [too_short, too_short, too_long, invalid, invalid, too_short, too_long, invalid]
    lines = [1, 2, 3, 4, 5, 6, 8, 9]
    assert [(r.line, r.kind) for r in checked.refused] == list(zip(lines, kinds, strict=True))
    assert all(r.reason.startswith("cannot ") and len(r.text) < 300 for r in checked.refused)
    assert [r.kind for r in base.writes.diff(bad).refused] == kinds[:6]
    base.close()


def test_unusual_texts_come_back_as_they_are(base: Knowledge) -> None:
    texts = [
        "tab\there",
        "two\r\nlines",
        "👩‍👩‍👧 emoji",
        "مرحبا بالعالم",
        "50% off_now \\ 'quoted' \"twice\"",
        "a\u2028b",
    ]
    add(base, *texts)
    assert [text for text, _ in contents(base).values()] == texts
    check_vectors(base)


def test_pages_and_search_in_texts(base: Knowledge) -> None:
    add(base, *[f"entry {i:03}" for i in range(25)], "100% sure", "under_score", "ÄPFEL und Birnen", "我想吃苹果")
    first = base.reads.page(None, 10, None)
    assert [e.id for e in first.entries] == list(range(1, 11))
    assert (first.next, first.total, first.revision) == (10, 29, 1)
    assert base.reads.page(20, 10, None).next is None
    assert [e.text for e in base.reads.page(None, 10, "% s").entries] == ["100% sure"]
    assert [e.text for e in base.reads.page(None, 10, "R_S").entries] == ["under_score"]
    assert [e.text for e in base.reads.page(None, 10, "äpfel").entries] == ["ÄPFEL und Birnen"]
    assert [e.text for e in base.reads.page(None, 10, "苹果").entries] == ["我想吃苹果"]
    assert base.reads.page(None, 10, "x" * 20_000).entries == []
    assert base.reads.page(None, 10, "half \ud800").entries == []
    assert base.reads.page(2**70, 10, None).entries == []


def test_unknown_entries(base: Knowledge) -> None:
    for id_ in (0, -1, 5, 2**80):
        with pytest.raises(errors.UnknownEntry):
            base.reads.entry(id_)
    with pytest.raises(errors.UnknownEntry):
        edit(base, 7, "some text")
    assert base.reads.hits([1, 3]) == {}
    outcome = delete(base, 3, 3, 2**80)
    assert (outcome.removed, outcome.unknown, outcome.revision) == ([], [3, 2**80], 0)


def test_edit_changes_only_what_is_given(base: Knowledge) -> None:
    add(base, "first text", "second text", metadata={"a": 1})
    outcome = edit(base, 1, " first text, better ")
    assert outcome.entry is not None
    assert (outcome.entry.text, outcome.entry.metadata) == ("first text, better", {"a": 1})
    assert [id_ for id_, _ in outcome.upserts] == [1]
    np.testing.assert_array_equal(outcome.upserts[0][1], vector("first text, better"))
    assert base.reads.entry(1).updated_at > base.reads.entry(1).created_at
    outcome = edit(base, 1, None, {"b": "x"})
    assert (outcome.upserts, base.reads.entry(1).metadata, base.reads.revision) == ([], {"b": "x"}, 3)
    assert edit(base, 1, "first text, better", {"b": "x"}).revision == 3
    with pytest.raises(errors.Duplicate) as caught:
        edit(base, 1, "second  text".replace("  ", " "))
    assert caught.value.details["id"] == 2
    for text, kind in (("", errors.TooShort), ("x" * 70_000, errors.TooLong), ("a\x00b", errors.Invalid)):
        with pytest.raises(kind):
            edit(base, 1, text)
    assert base.reads.revision == 3
    check_vectors(base)


def test_ids_are_never_reused(base: Knowledge, tmp_path: Path) -> None:
    add(base, "one text", "two text")
    delete(base, 2)
    assert add(base, "three text").added == [3]
    delete(base, 1, 3)
    base.close()
    again = open_base(tmp_path / "knowledge.db")
    assert add(again, "four text").added == [4]
    again.close()


def test_set_keeps_unchanged_entries_and_encodes_the_difference(tmp_path: Path) -> None:
    base = open_base(tmp_path / "k.db")
    add(base, "ab", "stays here", "goes away", metadata={"a": 1})
    base.close()
    base = open_base(tmp_path / "k.db", min_chars=5)
    wanted = ["stays here", "ab", "comes new", "stays here ", "no"]
    diff = base.writes.diff(wanted)
    assert (diff.added, diff.removed, sorted(diff.unchanged)) == (["comes new"], [3], [1, 2])
    assert [(r.line, r.kind, r.id) for r in diff.refused] == [(4, "duplicate", 2), (5, "too-short", None)]
    outcome = set_texts(base, wanted)
    assert (outcome.added, outcome.removed, outcome.unchanged) == ([4], [3], 2)
    assert contents(base)[2] == ("stays here", {"a": 1})
    assert set_texts(base, wanted).revision == 2
    check_vectors(base)
    base.close()


def test_equal_texts_are_encoded_once(base: Knowledge) -> None:
    assert base.vectors.missing([" a text", "a text", "other text"], FINGERPRINT) == ["a text", "other text"]
    add(base, "a text")
    assert base.vectors.missing(["a text", "other text"], FINGERPRINT) == ["other text"]
    assert base.vectors.missing(["a text"], "another model") == ["a text"]
    delete(base, 1)
    assert base.vectors.missing(["a text"], FINGERPRINT) == []
    assert base.writes.add([wire.NewEntry(text="a text")], context()).added == [2]
    check_vectors(base)


def test_a_missing_vector_is_named_and_nothing_is_written(base: Knowledge) -> None:
    with pytest.raises(MissingVectors) as caught:
        base.writes.add([wire.NewEntry(text="one text"), wire.NewEntry(text="two text")], context(["one text"]))
    assert caught.value.texts == ["two text"]
    assert (base.reads.total, base.reads.revision, base.vectors.missing(["one text"], FINGERPRINT)) == (
        0,
        0,
        ["one text"],
    )


def test_staged_vectors_serve_the_change_or_go_at_the_next_open(tmp_path: Path) -> None:
    base = open_base(tmp_path / "k.db")
    texts = [f"text number {i}" for i in range(50)]
    base.vectors.stage(texts, np.stack([vector(text) for text in texts]), FINGERPRINT)
    assert base.vectors.missing(texts, FINGERPRINT) == []
    base.writes.set_texts(texts[:20], context())
    check_vectors(base)
    base.close()
    base = open_base(tmp_path / "k.db")
    assert base.vectors.missing(texts, FINGERPRINT) == texts[20:]
    check_vectors(base)
    base.close()


def test_another_model(base: Knowledge) -> None:
    add(base, "one text", "two text", "three text")
    assert base.vectors.without(FINGERPRINT) == []
    assert base.vectors.without("new|2", after=1, limit=1) == [(2, "two text")]
    assert base.vectors.all("new|2")[0].size == 0
    with pytest.raises(MissingVectors):
        base.vectors.of_entry(1, "new|2")
    pending = base.vectors.without("new|2")
    texts = [text for _, text in pending]
    base.vectors.stage(texts, np.ones((3, 2), np.float32), "new|2")
    drop_vectors(base, FINGERPRINT)
    ids, matrix = base.vectors.all("new|2")
    assert (ids.tolist(), matrix.shape, matrix.flags.c_contiguous) == ([1, 2, 3], (3, 2), True)
    assert base.vectors.missing(["one text"], FINGERPRINT) == ["one text"]
    with pytest.raises(errors.UnknownEntry):
        base.vectors.of_entry(9, "new|2")


def test_changes_since(base: Knowledge) -> None:
    add(base, "one text", "two text", "three text")
    edit(base, 2, "two text changed")
    delete(base, 3)
    assert base.vectors.changes_since(3, FINGERPRINT) == []
    changed = base.vectors.changes_since(1, FINGERPRINT)
    assert changed is not None
    assert [id_ for id_, _ in changed] == [2, 3]
    assert changed[0][1] is not None
    np.testing.assert_array_equal(changed[0][1], vector("two text changed"))
    assert changed[1][1] is None
    assert base.vectors.changes_since(4, FINGERPRINT) is None


def test_if_match(base: Knowledge) -> None:
    add(base, "one text", if_match=0)
    with pytest.raises(errors.RevisionChanged) as caught:
        add(base, "two text", if_match=0)
    assert caught.value.details["revision"] == 1
    assert base.reads.total == 1


def test_a_request_sent_again_gets_the_stored_answer(base: Knowledge) -> None:
    first = add(base, "one text", request_id="r-1", if_match=0)
    assert not first.replayed
    again = add(base, "one text", request_id="r-1", if_match=0)
    assert again.replayed
    assert again.answer == base.reads.answer("r-1") == first.answer == (200, b'{"revision": 1, "added": [1]}')
    assert (base.reads.total, base.reads.revision) == (1, 1)
    assert base.reads.answer("r-2") is None


def test_a_failing_answer_takes_the_change_back(base: Knowledge) -> None:
    def fail(_: object) -> tuple[int, bytes]:
        raise LookupError

    with pytest.raises(LookupError):
        add(base, "one text", request_id="r-1", answer=fail)
    assert (base.reads.total, base.reads.revision, base.reads.answer("r-1")) == (0, 0, None)


def test_many_threads_read_and_write(base: Knowledge) -> None:
    def write(worker: int) -> None:
        for i in range(10):
            add(base, f"worker {worker} text {i}", request_id=f"{worker}-{i}")

    done = threading.Event()

    def read() -> int:
        rounds = 0
        while not done.is_set():
            page = base.reads.page(None, 1000, None)
            assert len(page.entries) == page.total == page.revision
            rounds += 1
        return rounds

    with ThreadPoolExecutor(8) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        try:
            list(pool.map(write, range(4)))
        finally:
            done.set()
        assert all(reader.result() for reader in readers)
    assert (base.reads.total, base.reads.revision) == (40, 40)
    check_vectors(base)


def test_a_closed_base_says_so(base: Knowledge) -> None:
    base.close()
    base.close()
    with pytest.raises(errors.InternalError, match="closed"):
        base.reads.page(None, 1, None)
    with pytest.raises(errors.InternalError, match="closed"):
        add_raw(base)


def add_raw(base: Knowledge) -> None:
    base.writes.add([wire.NewEntry(text="one text")], context(["one text"]))
