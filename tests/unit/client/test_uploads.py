"""Files that are sent: from memory, from disk, from an open file or a pipe, and in chunks."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import BinaryIO

import pytest

from daemon.client import AsyncClient
from daemon.client.uploads import Upload
from daemon.core.errors import BadRequest
from tests.support.http import answers
from tests.support.http.api_stub import Canned, Stub, serving

TEXT = b"one text\nanother text\n" * 100_000  # more than is read at a time


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    with tempfile.TemporaryDirectory(prefix="vw-") as folder:
        routes = {f"POST /v1/tenants/acme/{name}": Canned(answers.operation()) for name in ("import", "restore")}
        async with serving(Stub(Path(folder) / "s", dict(routes))) as stub:
            yield stub


def on_disk(folder: Path) -> Path:
    path = folder / "texts.txt"
    path.write_bytes(TEXT)
    return path


def behind_a_head(folder: Path) -> BinaryIO:
    file = io.BytesIO(b"not sent\n" + TEXT)
    file.seek(9)
    return file


async def chunks(folder: Path) -> AsyncIterator[bytes]:
    for start in range(0, len(TEXT), 300_000):
        yield TEXT[start : start + 300_000]


UPLOADS: dict[str, tuple[Callable[[Path], Upload], bool]] = {
    "bytes": (lambda _: TEXT, True),
    "path": (on_disk, True),
    "open file": (behind_a_head, True),
    "chunks": (chunks, False),
}


@pytest.mark.parametrize("name", UPLOADS)
async def test_whatever_holds_a_file_the_daemon_gets_its_bytes(stub: Stub, name: str, tmp_path: Path) -> None:
    make, sized = UPLOADS[name]
    async with AsyncClient(stub.socket) as client:
        await client.import_entries("acme", make(tmp_path), "text/plain")
        await client.restore("acme", make(tmp_path))
    for asked, media_type in zip(stub.asked, ("text/plain", "application/x-tar"), strict=True):
        assert asked.body == TEXT
        assert asked.headers["content-type"] == media_type
        assert asked.headers.get("content-length") == (str(len(TEXT)) if sized else None)


async def test_a_pipe_is_sent_as_it_comes(stub: Stub) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"one text\n")
    os.close(writing)
    async with AsyncClient(stub.socket) as client:
        with os.fdopen(reading, "rb") as pipe:
            await client.import_entries("acme", pipe, "text/plain")
    assert stub.asked[0].body == b"one text\n"
    assert stub.asked[0].headers["transfer-encoding"] == "chunked"


async def test_a_file_that_is_not_there_is_no_daemon_that_is_not_there(stub: Stub, tmp_path: Path) -> None:
    async with AsyncClient(stub.socket) as client:
        with pytest.raises(FileNotFoundError):
            await client.import_entries("acme", tmp_path / "nowhere.txt", "text/plain")
    assert stub.asked == []


async def test_a_read_that_fails_says_so(stub: Stub) -> None:
    class Damaged(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    async with AsyncClient(stub.socket) as client:
        with pytest.raises(BadRequest, match="cannot read the file to be sent: Input/output error"):
            await client.import_entries("acme", Damaged(b"x"), "text/plain")
