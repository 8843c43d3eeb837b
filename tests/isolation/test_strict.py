"""A daemon with `isolation: strict`, as an operator runs it: lives, ends, deletions, changes of mind."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from daemon.cli.isolation_words import isolation_words
from daemon.core.errors import DataExists
from tests.isolation.conftest import needs_root
from tests.support.daemons import RunningDaemon, fake_tenant, running_daemon, wait_for

pytestmark = needs_root

TEXTS = ["one entry of some length", "another entry here"]


@pytest.fixture
def strict() -> Iterator[RunningDaemon]:
    with running_daemon({"acme": fake_tenant(), "globex": fake_tenant()}, isolation="strict") as running:
        yield running.ready("acme", "globex")


def _owner(path: Path) -> int:
    return path.lstat().st_uid


def _pid(running: RunningDaemon, name: str) -> int:
    pid = running.tenant(name).pid
    assert pid is not None
    return pid


def _texts(running: RunningDaemon, name: str) -> list[str]:
    with running.client() as client:
        return sorted(entry.text for entry in client.entries(name).entries)


def _set(running: RunningDaemon, name: str) -> None:
    with running.client() as client:
        client.set_texts(name, TEXTS)


def test_each_tenant_has_a_uid_and_a_view_of_its_own(strict: RunningDaemon) -> None:
    processes = {name: psutil.Process(_pid(strict, name)) for name in ("acme", "globex")}
    uids = {name: process.uids() for name, process in processes.items()}
    assert uids["acme"].real == uids["acme"].effective == uids["acme"].saved == 20_000
    assert uids["globex"].real == 20_001
    for name, process in processes.items():
        data = strict.paths.tenant(name).data
        assert (_owner(data), data.stat().st_mode & 0o7777) == (uids[name].real, 0o700)
        assert {_owner(path) for path in data.rglob("*")} == {uids[name].real}
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert "NoNewPrivs:\t1" in status
        assert "Groups:\t \n" in status
    spaces = ("pid", "net", "ipc", "uts", "mnt")
    inodes = [
        {os.readlink(f"/proc/{pid}/ns/{space}") for space in spaces}  # noqa: PTH115
        for pid in (os.getpid(), *(process.pid for process in processes.values()))
    ]
    assert len(set.union(*inodes)) == 3 * len(spaces)


def test_it_answers_and_says_what_is_in_force(strict: RunningDaemon) -> None:
    _set(strict, "acme")
    with strict.client() as client:
        assert client.search("acme", TEXTS[0]).results[0].text == TEXTS[0]
        info = client.info()
    assert strict.tenant("acme").isolation == "strict"
    assert info.isolation == "strict"
    assert isolation_words("strict", info).startswith("own Linux user, sandbox without network")


def test_a_stopped_tenant_leaves_no_process(strict: RunningDaemon) -> None:
    tree = [*psutil.Process(_pid(strict, "acme")).parents()[:2], psutil.Process(_pid(strict, "acme"))]
    with strict.client() as client:
        client.wait("acme", client.stop("acme").id)
    assert psutil.wait_procs(tree, timeout=10)[1] == []
    strict.ready("globex")


@pytest.mark.parametrize("depth", [0, 1, 2], ids=["encoder", "inside", "bubblewrap"])
def test_a_killed_part_brings_down_the_whole_and_a_new_one_comes(strict: RunningDaemon, depth: int) -> None:
    """The encoder itself, bubblewrap's first process inside, bubblewrap."""
    encoder = psutil.Process(_pid(strict, "acme"))
    chain = [encoder, *encoder.parents()[:2]]
    chain[depth].kill()
    assert psutil.wait_procs(chain, timeout=10)[1] == []
    wait_for(lambda: strict.tenant("acme").pid not in (None, encoder.pid), what="a new encoder")
    strict.ready("acme", "globex")


def test_encoders_end_with_a_killed_daemon_and_the_next_one_takes_over(strict: RunningDaemon) -> None:
    _set(strict, "acme")
    children = strict.children()
    assert len(children) == 6
    strict.kill()
    assert psutil.wait_procs(children, timeout=10)[1] == []
    strict.start().ready("acme", "globex")
    assert _texts(strict, "acme") == sorted(TEXTS)


def test_even_a_hung_encoder_ends_with_a_killed_daemon() -> None:
    """One that spins within a call: no thread of it looks at the control channel in time."""
    busy = fake_tenant(encoder={"fake": {"mode": "never-ready"}})
    with running_daemon({"acme": busy}, isolation="strict") as running:
        wait_for(lambda: len(running.children()) == 3, what="the encoder")
        children = running.children()
        children[-1].suspend()
        running.kill()
        assert psutil.wait_procs(children, timeout=10)[1] == []


def test_a_deleted_tenants_uid_and_data_are_not_the_next_ones(strict: RunningDaemon) -> None:
    _set(strict, "acme")
    data = strict.paths.tenant("acme").data
    tenant = json.dumps(fake_tenant()).encode()
    with strict.client() as client:
        client.delete_tenant("acme")
        assert _owner(data) == 20_000
        with pytest.raises(DataExists):
            client.put_tenant("acme", tenant)
        client.put_tenant("acme", tenant, adopt=True)
    strict.ready("acme")
    assert psutil.Process(_pid(strict, "acme")).uids().real == 20_002
    assert {_owner(path) for path in [data, *data.rglob("*")]} == {20_002}
    assert _texts(strict, "acme") == sorted(TEXTS)
    with strict.client() as client:
        client.delete_tenant("acme", purge="acme")
        assert not data.exists()
        client.put_tenant("acme", tenant)
    strict.ready("acme")
    assert psutil.Process(_pid(strict, "acme")).uids().real == 20_003
    assert _texts(strict, "acme") == []


def test_purging_a_running_tenant_with_planted_links(strict: RunningDaemon, tmp_path: Path) -> None:
    keep = tmp_path / "keep"
    keep.write_text("keep me")
    data = strict.paths.tenant("acme").data
    other = strict.paths.tenant("globex").data
    (data / "to-file").symlink_to(keep)
    (data / "to-other").symlink_to(other)
    with strict.client() as client:
        client.delete_tenant("acme", purge="acme")
    assert not data.exists()
    assert keep.read_text() == "keep me"
    assert (other / "knowledge.db").exists()


def test_from_process_isolation_to_strict_and_back() -> None:
    with running_daemon({"acme": fake_tenant()}, isolation="process") as running:
        running.ready("acme")
        _set(running, "acme")
        data = running.paths.tenant("acme").data
        assert _owner(data) == 0
        for isolation, owner in (("strict", 20_000), ("process", 0), ("strict", 20_000)):
            running.stop()
            running.paths.daemon_yaml.write_text(json.dumps({"isolation": isolation}))
            running.start().ready("acme")
            assert _owner(data) == owner
            assert psutil.Process(_pid(running, "acme")).uids().real == owner
            assert _texts(running, "acme") == sorted(TEXTS)
        assert {_owner(path) for path in data.rglob("*")} == {20_000}


def test_a_uid_range_that_is_used_up_fails_the_tenant_that_gets_none() -> None:
    with running_daemon(
        {"a": fake_tenant(), "b": fake_tenant(), "c": fake_tenant()}, isolation="strict", uid_range=[29_980, 29_981]
    ) as running:
        running.ready("a", "b")
        wait_for(lambda: running.tenant("c").state == "failed")
        failed = running.tenant("c")
        assert failed.reason is not None
        assert failed.reason.endswith("is used up; widen it in daemon.yaml")
        assert failed.pid is None


def test_a_seed_that_only_root_may_read_reaches_its_tenant() -> None:
    with running_daemon(start=False, isolation="strict") as running:
        seed = running.paths.tenants_d / "acme.txt"
        seed.write_text("\n".join(TEXTS))
        seed.chmod(0o600)  # root's: it comes by descriptor
        running.write_tenant("acme", fake_tenant(knowledge={"seed": "acme.txt"}))
        running.start().ready("acme")
        assert _texts(running, "acme") == sorted(TEXTS)
