"""Searches of an encoder: results, refusals, and what the daemon is told."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from daemon.core import wire
from tests.support.encoder.processes import SEED, RunningEncoder, config, fake, running


@pytest.fixture
def encoder() -> Iterator[RunningEncoder]:
    """Ready, with the seed's five entries."""
    with running(seed=SEED) as started:
        started.ready()
        yield started


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningEncoder]:
    """An encoder for tests that change nothing."""
    with running(seed=SEED) as started:
        started.ready()
        yield started


def test_search_answers_what_the_contract_says(encoder: RunningEncoder) -> None:
    reply = encoder.ask("POST", "search", {"query": "reset password", "k": 2})
    result = wire.SearchResult.model_validate_json(reply.body)
    assert result.results[0].text == "how to reset a password"
    assert result.results[0].score > result.results[1].score
    assert (len(result.results), result.revision, result.warnings) == (2, 1, {})
    assert reply.headers["content-type"] == "application/json"


def test_min_score_k_and_filter(encoder: RunningEncoder) -> None:
    encoder.ok("POST", "entries", {"entries": [{"text": "a german entry", "metadata": {"lang": "de", "year": 2020}}]})
    assert len(encoder.search("entry", k=1000)) == 6
    assert all(hit["score"] >= 0.5 for hit in encoder.search("a german entry", min_score=0.5))
    for wanted, hits in (({"lang": "de"}, 1), ({"lang": "de", "year": 2020.0}, 1), ({"year": True}, 0), ({}, 5)):
        assert len(encoder.search("entry", filter=wanted)) == hits


def test_a_long_query_is_cut_with_a_warning(encoder: RunningEncoder) -> None:
    result = encoder.ok("POST", "search", {"query": "word " * 4000})
    assert "512 tokens" in result["warnings"]["query-cut"]


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"", 400, "bad-request"),
        (b'{"query": "x"', 400, "bad-request"),
        (b'{"query": "\xff"}', 400, "bad-request"),
        (rb'{"query": "\ud800"}', 400, "bad-request"),
        (rb'{"query": "a\u0000b"}', 422, "invalid"),
        (b"[]", 422, "invalid"),
        (b"{}", 422, "invalid"),
        (b'{"query": "  "}', 422, "invalid"),
        (b'{"query": 5}', 422, "invalid"),
        (b'{"query": "x", "wrong": 1}', 422, "invalid"),
        (b'{"query": "x", "k": 0}', 422, "invalid"),
        (b'{"query": "x", "k": -1}', 422, "invalid"),
        (b'{"query": "x", "k": 10000}', 422, "invalid"),
        (b'{"query": "x", "filter": {"a": [1]}}', 422, "invalid"),
        (json.dumps({"query": "x" * 1_000_000}).encode(), 422, "too-long"),
    ],
)
def test_a_bad_search_is_refused_in_words(shared: RunningEncoder, body: bytes, status: int, kind: str) -> None:
    reply = shared.ask("POST", "search", body, {"content-type": "application/json", "vecward-request": "r-77"})
    problem = reply.json()
    assert (reply.status, problem["kind"], problem["request_id"]) == (status, kind, "r-77")
    assert problem["detail"].startswith("cannot ")
    assert reply.headers["content-type"] == "application/problem+json"
    assert len(reply.body) < 2000
    assert shared.search("password")


def test_wrong_paths_methods_and_types(encoder: RunningEncoder) -> None:
    assert encoder.ask("GET", "search").status == 405
    assert encoder.ask("GET", "/v1/tenants/globex/entries").status == 404
    assert encoder.ask("GET", "nothing").status == 404
    assert encoder.ask("GET", "entries//vector").status == 404
    assert encoder.ask("POST", "search", b"query=x", {"content-type": "text/html"}).status == 415
    assert encoder.ask("POST", "search", b"x", {"content-length": str(65 << 20)}).status == 413


def test_a_full_queue_is_told_to_come_back() -> None:
    settings = fake("slow", delay_ms=200) | {"search": {"max_queue": 2}}
    with running(settings=settings, seed=SEED) as encoder, ThreadPoolExecutor(12) as pool:
        encoder.ready()
        replies = list(pool.map(lambda n: encoder.ask("POST", "search", {"query": f"q{n}"}), range(12)))
    assert {reply.status for reply in replies} == {200, 429}
    refused = next(reply for reply in replies if reply.status == 429)
    assert int(refused.headers["retry-after"]) >= 1


def test_no_query_text_in_the_log_unless_asked_for() -> None:
    for queries in (False, True):
        with running(settings=config(log={"queries": queries}), seed=SEED) as encoder:
            encoder.ready()
            encoder.search("tell nobody")
            assert encoder.stop() == 0
            assert ("tell nobody" in encoder.log()) is queries


def test_vectors_of_entries_and_texts(encoder: RunningEncoder) -> None:
    of_entry = wire.Vector.model_validate(encoder.ok("GET", "entries/5/vector?dims=50"))
    of_text = wire.Vector.model_validate(
        encoder.ok("POST", "vector", {"text": "how to reset a password", "kind": "document", "dims": 50})
    )
    assert of_entry.values == pytest.approx(of_text.values)
    assert (of_entry.dimension, len(of_entry.values)) == (64, 50)
    assert of_entry.norm == pytest.approx(1.0)
    assert of_entry.fingerprint.startswith("fake")
    assert len(encoder.ok("POST", "vector", {"text": "x", "dims": None})["values"]) == 64
    assert encoder.ask("GET", "entries/99/vector").status == 404
    assert encoder.ask("GET", "entries/5/vector?dims=0").status == 422
    assert encoder.ask("POST", "vector", {"text": "x", "kind": "song"}).status == 422


def test_openai_embeddings(encoder: RunningEncoder) -> None:
    plain = encoder.ok("POST", "openai/embeddings", {"input": ["one", "two"], "model": "any", "user": "me"})
    packed = encoder.ok("POST", "openai/embeddings", {"input": "two", "encoding_format": "base64"})
    assert [item["index"] for item in plain["data"]] == [0, 1]
    decoded = struct.unpack("<64f", base64.b64decode(packed["data"][0]["embedding"]))
    assert plain["data"][1]["embedding"] == pytest.approx(decoded)
    assert plain["usage"] == {"prompt_tokens": 6, "total_tokens": 6}
    assert encoder.ok("GET", "openai/models")["data"][0]["id"] == "fake"
    for bad in ({"input": []}, {"input": ""}, {"input": "x", "dimensions": 3}, {"input": [1, 2]}):
        assert encoder.ask("POST", "openai/embeddings", bad).status == 422


def test_health_and_usage(encoder: RunningEncoder) -> None:
    assert encoder.ok("GET", "/internal/health")["cosine"] == pytest.approx(1.0)
    before = encoder.ok("GET", "/internal/usage")
    encoder.search("one search")
    encoder.ok("POST", "entries", {"entries": [{"text": "one more text"}]})
    after = encoder.ok("GET", "/internal/usage")
    assert after["queries"] - before["queries"] == 1
    assert after["texts"] - before["texts"] == 1
    assert after["tokens"] > before["tokens"]
    assert after["encoder_s"] > before["encoder_s"]


def test_an_idle_connection_stays_open(encoder: RunningEncoder) -> None:
    connection = encoder.connection()
    for _ in range(3):
        connection.request("GET", "/internal/usage")
        response = connection.getresponse()
        response.read()
        assert response.status == 200
        assert not response.will_close
    connection.close()


def test_the_embedded_model_end_to_end() -> None:
    with running(settings={"encoder": {"backend": "use-multilingual"}}, seed=SEED) as encoder:
        assert encoder.ready().dimension == 512
        assert encoder.best("我想吃点东西") in ("我今天想吃香蕉", "苹果是一种很好吃的水果")
        assert encoder.best("forgotten password") == "how to reset a password"


def test_a_filter_is_looked_up_anew_after_each_change(encoder: RunningEncoder) -> None:
    wanted = {"shelf": 7}
    assert encoder.search("entry", filter=wanted) == []
    added = encoder.ok("POST", "entries", {"entries": [{"text": "an entry on a shelf", "metadata": wanted}]})["added"]
    for _ in range(2):  # the second time it is remembered
        assert [hit["id"] for hit in encoder.search("entry", filter=wanted)] == added
    encoder.ok("PATCH", f"entries/{added[0]}", {"metadata": {"shelf": 8}})
    assert encoder.search("entry", filter=wanted) == []
    assert [hit["id"] for hit in encoder.search("entry", filter={"shelf": 8})] == added
    encoder.ok("POST", "undo", {})
    assert [hit["id"] for hit in encoder.search("entry", filter=wanted)] == added
