"""Imports and exports: progress, cancel, interruption, and the way back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.core import wire
from tests.support.encoder.processes import SEED, RunningEncoder, config, running, until


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def encoder() -> Iterator[RunningEncoder]:
    """Ready, with the seed's five entries."""
    with running(seed=SEED) as started:
        started.ready()
        yield started


def wait(encoder: RunningEncoder, started: dict[str, Any]) -> wire.Operation:
    shown = encoder.ok("GET", f"operations/{started['operation']['id']}/wait?timeout=60")
    return wire.OperationAnswer.model_validate(shown).operation


def test_an_import_adds_and_reports(encoder: RunningEncoder) -> None:
    lines = [f"imported line number {number}" for number in range(600)]
    lines[300:300] = ["abc", "how to reset a password", lines[0]]
    reply = encoder.ask("POST", "import", "\r\n".join(lines).encode(), {"content-type": "text/plain; charset=utf-8"})
    assert reply.status == 202
    ended = wait(encoder, reply.json())
    assert (ended.state, ended.kind, ended.tenant) == ("done", "import", "acme")
    assert ended.result is not None
    assert (ended.result["added"], ended.result["refused_total"]) == (600, 3)
    assert [(r["line"], r["kind"]) for r in ended.result["refused"]] == [
        (301, "too-short"),
        (302, "duplicate"),
        (303, "duplicate"),
    ]
    assert ended.progress == wire.Progress(done=603, total=603, unit="entries")
    assert encoder.best("imported line number 599") == "imported line number 599"


def test_an_import_can_replace_everything(encoder: RunningEncoder) -> None:
    body = b"how to reset a password\nthe second line\n"
    ended = wait(encoder, encoder.ok("POST", "import?mode=set", body, {"content-type": "text/plain"}))
    assert ended.result is not None
    assert (ended.result["added"], ended.result["removed"], ended.result["unchanged"]) == (1, 4, 1)
    with_metadata = b'{"text": "a third line", "metadata": {"a": 1}}'
    refused = encoder.ask("POST", "import?mode=set", with_metadata, {"content-type": "application/x-ndjson"})
    assert refused.status == 422


def test_an_import_is_started_once_for_one_request(encoder: RunningEncoder) -> None:
    headers = {"content-type": "text/plain", "vecward-request": "r-9"}
    first = encoder.ok("POST", "import", b"only once please", headers)
    wait(encoder, first)
    again = encoder.ok("POST", "import", b"only once please", headers)
    assert again["operation"]["id"] == first["operation"]["id"]
    assert encoder.ok("GET", "entries")["total"] == 6


def test_a_file_that_cannot_be_read_changes_nothing(encoder: RunningEncoder) -> None:
    good = b"fine line here\n" * 3
    for body, media_type, status in (
        (good + b"\xff\xfe\n", "text/plain", 400),
        (b"a,b\n1,2\n", "text/csv", 422),
        (good, "image/png", 415),
    ):
        assert encoder.ask("POST", "import", body, {"content-type": media_type}).status == status
    assert encoder.ask("POST", "import?mode=maybe", good, {"content-type": "text/plain"}).status == 422
    assert encoder.ok("GET", "entries")["revision"] == 1


def slow_import(encoder: RunningEncoder) -> str:
    """An import that runs, with something committed already."""
    lines = "\n".join(f"slow import line {number}" for number in range(20_000)).encode()
    id_: str = encoder.ok("POST", "import", lines, {"content-type": "text/plain"})["operation"]["id"]
    until(lambda: encoder.ok("GET", "entries?limit=1")["total"] > 5, "the first chunk")
    return id_


def test_an_import_can_be_cancelled_and_keeps_what_it_did(encoder: RunningEncoder) -> None:
    id_ = slow_import(encoder)
    ended = encoder.ok("DELETE", f"operations/{id_}")["operation"]
    assert ended["state"] == "cancelled"
    assert encoder.ok("GET", "entries?limit=1")["total"] == 5 + ended["result"]["added"]
    assert encoder.ok("GET", f"operations/{id_}")["operation"]["state"] == "cancelled"
    assert encoder.ask("GET", "operations/e-unknown").json()["kind"] == "unknown-operation"


def test_searches_and_edits_get_through_an_import(encoder: RunningEncoder) -> None:
    id_ = slow_import(encoder)
    assert encoder.search("password")
    encoder.ok("PATCH", "entries/1", {"text": "edited meanwhile"})
    assert encoder.best("edited meanwhile") == "edited meanwhile"
    assert encoder.ok("GET", f"operations/{id_}")["operation"]["state"] == "running"


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_an_import_that_is_cut_off_is_interrupted(data: Path, end: str) -> None:
    with running(data, seed=SEED) as encoder:
        encoder.ready()
        id_ = slow_import(encoder)
        if end == "stop":
            assert encoder.stop() == 0
    with running(data) as encoder:
        encoder.ready()
        assert encoder.ok("GET", f"operations/{id_}")["operation"]["state"] == "interrupted"
        health = encoder.ok("GET", "/internal/health")
        assert health["entries_index"] == health["entries_base"] > 5


def test_an_export_can_be_imported_again(encoder: RunningEncoder) -> None:
    entries = [{"text": f"entry {n} with, comma", "metadata": {"n": n, "odd": bool(n % 2)}} for n in range(2500)]
    encoder.ok("POST", "entries", {"entries": [*entries, {"text": "=1+1 is a formula"}]})
    for name, media_type in (("txt", "text/plain"), ("csv", "text/csv"), ("jsonl", "application/x-ndjson")):
        exported = encoder.ask("GET", f"export?format={name}")
        assert exported.headers["content-type"].startswith(media_type)
        assert "acme" in exported.headers["content-disposition"]
        if name == "csv":
            assert b"'=1+1" in exported.body
        with running() as other:
            other.ready()
            assert wait(other, other.ok("POST", "import", exported.body, {"content-type": media_type})).state == "done"
            assert other.ok("GET", "entries?limit=1")["total"] == 2506
            found = other.search("entry 77 with, comma", k=1)[0]
            assert found["metadata"] == ({} if name == "txt" else entries[77]["metadata"])
    assert encoder.ask("GET", "export?format=pdf").status == 422


def test_an_import_counts_texts_that_the_model_does_not_read_whole() -> None:
    with running(settings=config(encoder={"backend": "fake", "max_tokens": 16})) as encoder:
        encoder.ready()
        lines = [f"line {number} {'is longer than sixteen tokens' if number % 2 else ''}" for number in range(700)]
        ended = wait(encoder, encoder.ok("POST", "import", "\n".join(lines).encode(), {"content-type": "text/plain"}))
        assert ended.result is not None
        assert (ended.result["added"], ended.result["cut"]) == (700, 350)
