"""Cgroups in a folder that has the files of the kernel's; the kernel's own are tests/isolation/test_cgroups.py's."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.supervisor.isolation import cgroups as module
from daemon.supervisor.isolation.cgroups import CgroupLimits, Cgroups

NONE = CgroupLimits(memory_mb=None, cpus=None, processes=300)
KILLED_BY_ITS_LIMIT, KILLED_BY_THE_HOST = "oom 1\noom_kill 1\n", "oom 0\noom_kill 1\n"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Make a cgroup of the daemon's, below a folder that stands for the mounted ones."""
    made = tmp_path / "cgroup" / "vecward.service"
    made.mkdir(parents=True)
    (made / "cgroup.controllers").write_text("cpuset cpu memory pids\n")
    (made / "cgroup.procs").write_text("41\n42\n")
    return made


def discover(base: Path, own: str = "0::/vecward.service\n") -> Cgroups:
    (base.parent.parent / "own").write_text(own)
    return Cgroups.discover(base.parent, base.parent.parent / "own")


def mark(monkeypatch: pytest.MonkeyPatch, *delegated: Path) -> None:
    """Mark folders as systemd marks a delegated cgroup; not every file system of a test's has attributes."""

    def read(path: Path, name: str) -> bytes:
        if path in delegated and name == "user.delegate":
            return b"1"
        raise OSError(errno.ENODATA, os.strerror(errno.ENODATA))

    monkeypatch.setattr(module.os, "getxattr", read)


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


# --- whose they are -------------------------------------------------------------------------------------------


def test_a_delegated_cgroup_gets_a_leaf(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark(monkeypatch, base)
    assert discover(base).base == base
    assert (base / "daemon" / "cgroup.procs").read_text() == "42"  # the kernel adds up what a file here does not
    assert (base / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"
    assert discover(base, "0::/vecward.service/daemon\n").base == base


def test_a_cgroup_named_like_the_leaf_is_its_own_base(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = base.rename(base.with_name("daemon"))
    (base.parent / "cgroup.controllers").write_text("cpu memory pids\n")
    mark(monkeypatch, base)
    assert discover(base, "0::/daemon\n").base == base


@pytest.mark.parametrize("controllers", [None, "cpu memory\n"])
def test_a_cgroup_that_is_not_delegated_is_left_alone(
    base: Path, monkeypatch: pytest.MonkeyPatch, controllers: str | None
) -> None:
    if controllers is not None:  # marked, but without all that is needed
        mark(monkeypatch, base)
        (base / "cgroup.controllers").write_text(controllers)
    before = files(base)
    found = discover(base)
    assert found.base is None
    assert found.make("acme", NONE) is None
    assert found.out_of_memory("acme")() is None
    found.remove("acme")
    assert files(base) == before


def test_a_host_without_cgroup_v2_has_none(base: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert discover(base, "4:memory:/x\n").base is None
    assert "no cgroup v2 here" in str(caplog.records[0].__dict__["reason"])


# --- limits ---------------------------------------------------------------------------------------------------


def test_limits_are_written_in_the_kernels_units(base: Path) -> None:
    made = Cgroups(base).make("acme", CgroupLimits(memory_mb=100, cpus=1.5, processes=300))
    assert made == base / "tenant-acme"
    assert files(made) == {
        "pids.max": "300",
        "memory.max": str(100 << 20),
        "memory.oom.group": "1",
        "cpu.max": "150000 100000",
    }


@pytest.mark.parametrize(("memory_mb", "swap"), [(100, "0"), (None, "max")])
def test_a_limit_of_memory_leaves_no_swap(base: Path, memory_mb: int | None, swap: str) -> None:
    folder = base / "tenant-acme"
    folder.mkdir()
    (folder / "memory.swap.max").touch()
    Cgroups(base).make("acme", CgroupLimits(memory_mb, None, 300))
    found = files(folder)
    assert found["memory.swap.max"] == swap
    assert found["cpu.max"] == "max 100000"
    assert (found["memory.max"] == "max") == (memory_mb is None)


# --- out of memory --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ("oom 0\noom_kill 0\n", None),
        ("oom 1\noom_kill 0\n", None),
        (KILLED_BY_ITS_LIMIT, "it reached limits.memory_mb"),
        (KILLED_BY_THE_HOST, "the host has none left"),
    ],
)
def test_an_end_for_want_of_memory_is_explained(base: Path, events: str, why: str | None) -> None:
    cgroups = Cgroups(base)
    cgroups.make("acme", NONE)
    file = base / "tenant-acme" / "memory.events"
    file.write_text("oom 0\noom_kill 0\n")
    since = cgroups.out_of_memory("acme")
    assert since() is None
    file.write_text(events)
    assert since() == why
    assert cgroups.out_of_memory("acme")() is None  # counted before it asked
    file.unlink()
    assert since() is None


# --- removal --------------------------------------------------------------------------------------------------


def held_by(code: int) -> Callable[[Path], None]:
    """Stand for a removal that the kernel refuses: a plain folder is never busy."""

    def refuse(_: Path) -> None:
        raise OSError(code, os.strerror(code))

    return refuse


def test_a_cgroup_in_use_goes_when_it_is_empty(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (base / "tenant-acme").mkdir()
    cgroups = Cgroups(base)
    with monkeypatch.context() as busy:
        busy.setattr(Path, "rmdir", held_by(errno.EBUSY))
        cgroups.remove("acme")
    assert (base / "tenant-acme").exists()
    cgroups.sweep()
    assert not (base / "tenant-acme").exists()
    cgroups.remove("acme")  # no error: it has gone


def test_a_tenant_that_comes_back_meanwhile_keeps_its_cgroup(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (base / "tenant-acme").mkdir()
    cgroups = Cgroups(base)
    with monkeypatch.context() as busy:
        busy.setattr(Path, "rmdir", held_by(errno.EBUSY))
        cgroups.remove("acme")
        cgroups.make("acme", NONE)
    cgroups.sweep()
    assert (base / "tenant-acme" / "pids.max").exists()


def test_those_of_a_daemon_that_was_killed_go(base: Path) -> None:
    (base / "tenant-acme").mkdir()
    (base / "other").mkdir()
    Cgroups(base).sweep()
    assert [path.name for path in base.iterdir() if path.is_dir()] == ["other"]


def test_one_that_cannot_go_is_told_once(base: Path, caplog: pytest.LogCaptureFixture) -> None:
    cgroups = Cgroups(base)
    cgroups.make("acme", NONE)  # files of this folder's, unlike the kernel's, stay in its way
    cgroups.remove("acme")
    cgroups.sweep()
    assert [(record.message, record.__dict__["cgroup"]) for record in caplog.records] == [
        ("cgroup-stays", "tenant-acme")
    ]
