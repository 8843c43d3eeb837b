"""Changes: seen by the next search, made once, refused when somebody else was faster."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from daemon.core.encoder_protocol.control import Changed
from tests.support.encoder.processes import SEED, RunningEncoder, config, running


@pytest.fixture
def encoder() -> Iterator[RunningEncoder]:
    """Ready, with the seed's five entries."""
    with running(seed=SEED) as started:
        started.ready()
        yield started


def test_a_search_after_an_acknowledged_write_sees_it(encoder: RunningEncoder) -> None:
    for number in range(30):
        text = f"entry number {number} about {'xyz'[number % 3] * 5}"
        added = encoder.ok("POST", "entries", {"entries": [{"text": text}]})
        assert encoder.best(text) == text
        encoder.ok("PATCH", f"entries/{added['added'][0]}", {"text": text + " edited"})
        assert encoder.best(text + " edited") == text + " edited"
        encoder.ok("DELETE", f"entries/{added['added'][0]}")
        assert encoder.best(text) != text + " edited"


def test_changes_are_told_over_the_control_channel(encoder: RunningEncoder) -> None:
    encoder.ok("POST", "entries", {"entries": [{"text": "one more entry"}]})
    message = encoder.hear()
    assert isinstance(message, Changed)
    assert (message.entries, message.revision) == (6, 2)


def test_a_write_is_answered_once(encoder: RunningEncoder) -> None:
    headers = {"vecward-request": "r-1", "vecward-actor": "user:%E6%9D%8E", "if-match": '"1"'}
    body = {"entries": [{"text": "added only once"}]}
    first = encoder.ask("POST", "entries", body, headers)
    again = encoder.ask("POST", "entries", body, headers)
    assert (first.status, first.body) == (again.status, again.body)
    assert first.status == 201
    assert encoder.ok("GET", "history?limit=1")["changes"][0]["actor"] == "user:李"
    assert encoder.ok("GET", "entries")["total"] == 6


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "entries", {"entries": [{"text": "something new"}]}),
        ("PUT", "entries", {"texts": []}),
        ("PATCH", "entries/1", {"text": "something else"}),
        ("DELETE", "entries/1", None),
        ("POST", "entries/delete", {"ids": [1]}),
        ("POST", "undo", None),
        ("POST", "import", b"something imported"),
    ],
)
def test_if_match_is_honoured_on_every_change(encoder: RunningEncoder, method: str, path: str, body: Any) -> None:
    types = {"content-type": "text/plain"} if isinstance(body, bytes) else {}
    stale = encoder.ask(method, path, body, {**types, "if-match": '"0"'})
    assert (stale.status, stale.json()["kind"], stale.json()["revision"]) == (412, "revision-changed", 1)
    assert encoder.ask(method, path, body, {**types, "if-match": "yesterday"}).status == 422
    assert encoder.ok("GET", "entries")["revision"] == 1
    assert encoder.ask(method, path, body, {**types, "if-match": '"1"'}).status < 300


def test_put_says_before_what_it_will_do(encoder: RunningEncoder) -> None:
    wanted = {"texts": ["how to reset a password", "a new text here", "new", "a new text here"]}
    would = encoder.ok("PUT", "entries?dry_run=true", wanted)
    assert (would["added"], would["removed"], would["unchanged"], len(would["refused"])) == (1, 4, 1, 2)
    assert encoder.ok("GET", "entries")["total"] == 5
    did = encoder.ok("PUT", "entries", wanted)
    assert {**did, "revision": 0} == {**would, "revision": 0}
    assert sorted(e["text"] for e in encoder.ok("GET", "entries")["entries"]) == sorted(wanted["texts"][:2])


def test_a_large_put_switches_at_once_and_undo_takes_it_back(encoder: RunningEncoder) -> None:
    texts = [f"text number {number} of a large put" for number in range(2000)]
    assert encoder.ok("PUT", "entries", {"texts": texts})["added"] == 2000
    assert encoder.best(texts[1234]) == texts[1234]
    undone = encoder.ok("POST", "undo")
    assert (undone["added"], undone["removed"]) == (5, 2000)
    assert encoder.best("reset password") == "how to reset a password"
    health = encoder.ok("GET", "/internal/health")
    assert health["entries_index"] == health["entries_base"] == 5


def test_pages(encoder: RunningEncoder) -> None:
    first = encoder.ok("GET", "entries?limit=3")
    rest = encoder.ok("GET", f"entries?limit=3&after={first['next']}")
    assert [e["id"] for e in first["entries"] + rest["entries"]] == [1, 2, 3, 4, 5]
    assert rest["next"] is None
    assert [e["id"] for e in encoder.ok("GET", "entries?q=%E9%A6%99%E8%95%89")["entries"]] == [2]
    for bad in ("limit=0", "limit=1001", "limit=x", "after=-1", "limit=%FF"):
        assert encoder.ask("GET", f"entries?{bad}").status == 422
    assert encoder.ok("GET", "entries/2")["text"] == "我今天想吃香蕉"
    for unknown in ("entries/99", "entries/x", "entries/99999999999999999999"):
        assert encoder.ask("GET", unknown).status == 404


def test_many_writers_and_readers_at_once(encoder: RunningEncoder) -> None:
    def work(number: int) -> None:
        text = f"writer {number} was here"
        id_ = encoder.ok("POST", "entries", {"entries": [{"text": text}]})["added"][0]
        assert encoder.best(text) == text
        if number % 2:
            encoder.ok("DELETE", f"entries/{id_}")

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(64)))
    health = encoder.ok("GET", "/internal/health")
    assert health["entries_index"] == health["entries_base"] == 5 + 32


def test_texts_that_the_model_does_not_read_whole_are_named_in_the_answer() -> None:
    long = "a text much longer than sixteen tokens"
    settings = config(encoder={"backend": "fake", "max_tokens": 16})
    cut = {"texts-cut": "1 text cut at 16 tokens (encoder.max_tokens): it is found by the beginning alone"}
    with running(settings=settings) as encoder:
        encoder.ready()
        body, once = {"entries": [{"text": "a short text"}, {"text": long}]}, {"vecward-request": "r-1"}
        for _ in range(2):  # the second time it is the stored answer
            assert encoder.ask("POST", "entries", body, once).json()["warnings"] == cut
        assert encoder.ok("PATCH", "entries/1", {"text": "short"})["warnings"] == {}
        assert encoder.ok("PATCH", "entries/1", {"text": long + " as well"})["warnings"] == cut
        texts = [f"text {number} which is longer than sixteen tokens" for number in range(600)]
        words = encoder.ok("PUT", "entries", {"texts": texts})["warnings"]["texts-cut"]
        assert words.startswith("600 texts cut at 16 tokens")
        assert encoder.ok("POST", "vector", {"text": long, "kind": "document"})["warnings"] == cut
        assert encoder.ok("POST", "vector", {"text": "short", "kind": "document"})["warnings"] == {}
