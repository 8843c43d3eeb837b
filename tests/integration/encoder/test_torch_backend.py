"""Tenants on sentence-transformers through a real daemon: encoder processes with PyTorch in them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daemon.core.errors import TenantFailed
from daemon.core.wire import NewEntry
from tests.support.daemons import RunningDaemon, running_daemon
from tests.support.models import LONG, copy_model, cosines, library, minilm, needs_torch

needs_torch()
pytestmark = pytest.mark.timeout(300)  # PyTorch alone takes seconds to import, tens of them on a busy machine

HELP = [
    "How to reset a forgotten password",
    "The canteen serves lunch from noon to two",
    "Connect to the company network from home with the VPN client",
    "The printer is out of toner",
]


def tenant(model: str, **changes: Any) -> dict[str, Any]:
    return {
        "encoder": {"backend": "sentence-transformers", "model": model, "device": "cpu", **changes},
        "access": {"admins": [f"uid:{os.getuid()}"]},
        "limits": {"cpus": 1, "start_s": 240},
        "search": {"deadline_s": 30},
    }


@pytest.fixture(scope="module")
def daemon(qwen3: Path) -> Iterator[RunningDaemon]:
    """Two tenants: `tiny` on a random Qwen3, `help` on real weights."""
    tenants: dict[str, Any] = {"tiny": tenant(str(qwen3), dtype="float32"), "help": tenant(str(minilm()))}
    with running_daemon(tenants) as running:
        for name in tenants:
            running.wait_state(name, "ready", deadline_s=240)
        yield running


def test_a_tenant_says_what_it_runs_on(daemon: RunningDaemon) -> None:
    tiny, help_ = daemon.tenant("tiny"), daemon.tenant("help")
    assert tiny.fingerprint is not None
    assert tiny.fingerprint.startswith("sentence-transformers Qwen3-Embedding-tiny@")
    assert help_.fingerprint is not None
    assert "Pooling(mean)" in help_.fingerprint
    assert "cpu" in (tiny.device or "").lower()


def test_real_weights_find_what_is_meant(daemon: RunningDaemon) -> None:
    with daemon.client() as client:
        client.set_texts("help", HELP)
        for query, text in (
            ("I can't log in any more", HELP[0]),
            ("where do I eat?", HELP[1]),
            ("working remotely", HELP[2]),
        ):
            assert client.search("help", query, k=1).results[0].text == text


def test_vectors_over_the_socket_are_the_librarys(daemon: RunningDaemon, qwen3: Path) -> None:
    theirs = library(qwen3)
    with daemon.client() as client:
        query = client.vector("tiny", HELP[0], kind="query", dims=64)
        document = client.vector("tiny", HELP[0], kind="document", dims=64)
    assert cosines([query.values], theirs.encode_query(HELP[:1])).min() > 0.99999
    assert cosines([document.values], theirs.encode_document(HELP[:1])).min() > 0.99999
    assert query.norm == pytest.approx(1, abs=1e-4)


def test_many_entries_of_all_lengths_have_the_vectors_of_single_ones(daemon: RunningDaemon) -> None:
    texts = [f"{number} " + "word " * (number * 7 % 90) for number in range(300)]
    with daemon.client() as client:
        client.set_texts("tiny", texts)
        entries = {entry.text: entry.id for entry in client.entries("tiny", limit=500).entries}
        chosen = sorted(entries)[::60]
        stored = [client.entry_vector("tiny", entries[text], dims=64).values for text in chosen]
        alone = [client.vector("tiny", text, kind="document", dims=64).values for text in chosen]
    assert cosines(stored, alone).min() > 0.9999


def test_a_long_query_is_cut_with_a_warning(daemon: RunningDaemon) -> None:
    with daemon.client() as client:
        client.add("tiny", [NewEntry(text="one entry to be found")])
        cut = "the query was cut at 512 tokens (encoder.max_query_tokens)"
        assert client.search("tiny", LONG).warnings == {"query-cut": cut}
        assert not client.search("tiny", "short").warnings


def test_the_log_holds_json_lines_alone(daemon: RunningDaemon) -> None:
    """The libraries' progress bars and warnings would be raw text in it."""
    for name in ("tiny", "help"):
        lines = daemon.encoder_log(name).splitlines()
        assert [line for line in lines if not isinstance(json.loads(line), dict)] == []
        assert not [line for line in lines if "Loading weights" in line]


def test_a_missing_model_fails_with_the_command_and_starts_when_it_is_there(qwen3: Path) -> None:
    with running_daemon({"acme": tenant("Qwen/Qwen3-Embedding-0.6B")}) as daemon:
        view = daemon.wait_state("acme", "failed", deadline_s=120)
        assert "`vecward model fetch acme`" in str(view.reason)
        models = daemon.paths.tenant("acme").models
        assert str(models / "Qwen/Qwen3-Embedding-0.6B") in str(view.reason)
        with daemon.client() as client, pytest.raises(TenantFailed):
            client.search("acme", "anything")
        copy_model(qwen3, models / "Qwen" / "Qwen3-Embedding-0.6B")
        with daemon.client() as client:
            client.start("acme")
        view = daemon.wait_state("acme", "ready", deadline_s=240)
        assert " bfloat16 " in str(view.fingerprint)


def test_what_cannot_run_is_refused_with_the_reason(qwen3: Path) -> None:
    tenants: dict[str, Any] = {
        "wide": tenant(str(qwen3), dimensions=999),
        "gone": tenant("/nowhere/model"),
    }
    with running_daemon(tenants) as daemon:
        assert "allowed: 1 to 64" in str(daemon.wait_state("wide", "failed", deadline_s=240).reason)
        assert "there is no folder /nowhere/model" in str(daemon.wait_state("gone", "failed", deadline_s=240).reason)


def test_a_changed_query_instruction_encodes_nothing_anew(qwen3: Path) -> None:
    with running_daemon({"acme": tenant(str(qwen3), dtype="float32")}) as daemon:
        daemon.wait_state("acme", "ready", deadline_s=240)
        with daemon.client() as client:
            client.set_texts("acme", HELP)
            before = client.vector("acme", "lunch", kind="query", dims=64).values
            fingerprint = client.tenant("acme").fingerprint
            changed = tenant(str(qwen3), dtype="float32", query_instruction="Find the entry about the same thing")
            client.put_tenant("acme", json.dumps(changed).encode())
            restarted = client.wait("acme", client.restart("acme").id, timeout=240)
            assert restarted.state == "done", restarted
            daemon.wait_state("acme", "ready", deadline_s=240)
            after = client.vector("acme", "lunch", kind="query", dims=64).values
            assert client.tenant("acme").fingerprint == fingerprint
            assert client.tenant("acme").entries == len(HELP)
        assert np.dot(before, after) < 0.9999
        assert "entries-encoded" not in daemon.encoder_log("acme")
