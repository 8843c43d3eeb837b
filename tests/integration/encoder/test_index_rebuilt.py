"""The index's snapshot is a convenience: whatever became of it, the index is right, and nothing is encoded for it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.client import Client
from daemon.core.wire import NewEntry
from tests.support.daemons import RunningDaemon, fake_tenant, running_daemon
from tests.support.http.raw_http import ask

COUNT = 400


@pytest.fixture(scope="module")
def host() -> Iterator[RunningDaemon]:
    with running_daemon({"acme": fake_tenant()}) as daemon:
        with daemon.ready("acme").client() as client:
            client.add("acme", [NewEntry(text=f"entry number {i}") for i in range(COUNT)])
        yield daemon


@pytest.fixture
def client(host: RunningDaemon) -> Iterator[Client]:
    with host.client() as client:
        yield client


def internal(host: RunningDaemon, what: str) -> Any:
    """Answer of an encoder to a question that the daemon alone asks."""
    return ask(host.paths.tenant("acme").socket, "GET", f"/internal/{what}").json()


def flip(place: float) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        raw = bytearray(path.read_bytes())
        raw[int(place * (len(raw) - 1))] ^= 16
        path.write_bytes(raw)

    return damage


def cut(keep: float) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "missing": lambda path: path.unlink(),
    "empty": cut(0),
    "cut in its header": lambda path: path.write_bytes(path.read_bytes()[:40]),
    "cut in the middle": cut(0.5),
    "without its last byte": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "flipped in its magic": flip(0),
    "flipped in its header": lambda path: path.write_bytes(path.read_bytes().replace(b'"count"', b'"counT"')),
    "flipped in an id": flip(0.01),
    "flipped in a vector": flip(0.7),
    "flipped in its last byte": flip(1),
    "text": lambda path: path.write_text("a text file, by mistake\n" * 100),
    "a folder": replace_by_folder,
    "no folder": lambda path: shutil.rmtree(path.parent),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_it_is_rebuilt_without_encoding(host: RunningDaemon, client: Client, how: str) -> None:
    path = host.paths.tenant("acme").index / "snapshot"
    client.wait("acme", client.stop("acme").id)
    lines = len(host.encoder_log("acme").splitlines())
    DAMAGE[how](path)
    client.wait("acme", client.start("acme").id)
    new = [json.loads(line) for line in host.encoder_log("acme").splitlines()[lines:]]
    assert [line["event"] for line in new if line["event"] in ("index-rebuilt", "entries-encoded")] == ["index-rebuilt"]
    assert internal(host, "usage")["texts"] == 0
    health = internal(host, "health")
    assert (health["entries_index"], health["entries_base"]) == (COUNT, COUNT)
    for number in (0, 77, COUNT - 1):
        hit = client.search("acme", f"entry number {number}").results[0]
        assert (hit.text, hit.score) == (f"entry number {number}", pytest.approx(1, abs=1e-5))
    if path.is_dir():
        path.rmdir()


def test_a_sound_one_is_used_and_an_older_one_brought_up_to_date(host: RunningDaemon, client: Client) -> None:
    path = host.paths.tenant("acme").index / "snapshot"
    client.wait("acme", client.stop("acme").id)
    older = path.read_bytes()
    client.wait("acme", client.start("acme").id)
    lines = len(host.encoder_log("acme").splitlines())
    added = client.add("acme", [NewEntry(text="one that came later")]).added
    client.edit("acme", 1, "entry number zero, edited")
    client.delete("acme", [2])
    for snapshot in (None, older):
        client.wait("acme", client.stop("acme").id)
        if snapshot is not None:
            path.write_bytes(snapshot)
        client.wait("acme", client.start("acme").id)
        assert internal(host, "usage")["texts"] == 0
        assert internal(host, "health")["entries_index"] == COUNT
        assert client.search("acme", "one that came later").results[0].id == added[0]
        assert client.search("acme", "entry number zero, edited").results[0].score == pytest.approx(1, abs=1e-5)
        assert 2 not in [hit.id for hit in client.search("acme", "entry number 1", k=1000).results]
    assert "index-rebuilt" not in "\n".join(host.encoder_log("acme").splitlines()[lines:])
    client.undo("acme")
    client.undo("acme")
    client.undo("acme")
