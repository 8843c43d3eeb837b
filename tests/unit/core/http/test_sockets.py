"""Listening sockets: their modes, and what binding one must not touch."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from daemon.core.errors import Conflict
from daemon.core.http import sockets


@pytest.fixture
def folder() -> Iterator[Path]:
    """Make a folder with a short path, as a socket needs it."""
    with TemporaryDirectory(prefix="vw-") as made:
        yield Path(made)


@pytest.fixture(params=[0o000, 0o022, 0o177], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("mode", [0o600, 0o666], ids=oct)
def test_a_socket_is_never_more_open_than_asked(
    folder: Path, umask: int, mode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_first: list[int] = []
    chmod = Path.chmod
    monkeypatch.setattr(Path, "chmod", lambda path, wanted: at_first.append(mode_of(path)) or chmod(path, wanted))
    with sockets.bind(folder / "s", mode):
        assert at_first == [mode & ~umask]
        assert mode_of(folder / "s") == mode
        assert sockets.is_served(folder / "s")
        with pytest.raises(Conflict, match="another process answers there"):
            sockets.bind(folder / "s", mode)
    with sockets.bind(folder / "s", mode):  # nobody answers on the old one
        assert mode_of(folder / "s") == mode


def test_the_umask_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The umask is the whole process's: a tenant's folder that another thread made meanwhile was 0600 for good."""

    def touched(_: int) -> int:
        raise AssertionError("the umask was changed")

    monkeypatch.setattr(os, "umask", touched)
    with sockets.bind(folder / "s", 0o600):
        assert mode_of(folder / "s") == 0o600
