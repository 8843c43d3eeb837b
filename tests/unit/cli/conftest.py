"""A stub of the daemon for the commands to ask."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.http import answers
from tests.support.http.api_stub import Canned, Stub, serving_in_thread


@pytest.fixture
def stub() -> Iterator[Stub]:
    """Serve answers at the socket that `--root` leads to."""
    with (
        tempfile.TemporaryDirectory(prefix="vw-") as folder,
        serving_in_thread(Stub(Path(folder) / "run/daemon.sock")) as stub,
    ):
        stub.answers["GET /v1/info"] = Canned(answers.INFO)
        yield stub


@pytest.fixture
def root(stub: Stub) -> Path:
    """The folder that `--root` names."""
    return stub.socket.parent.parent
