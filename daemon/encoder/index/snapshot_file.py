"""The file of an index: read at start instead of every vector in the base, thrown away at the least doubt.

Layout, little-endian: 8 bytes magic, u32 length of the header, u32 CRC-32 of the header, the header (JSON:
revision, stamp, fingerprint, dimension, count, crc), then count ids (int64) and count × dimension values
(float32), whose CRC-32 is the header's `crc`. No fsync: a file that a power cut tore does not pass its checksum.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Generator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from daemon.encoder.arrays import Ids, Matrix
from daemon.encoder.index.growing import GrowingMatrix
from daemon.encoder.index.protocol import BadSnapshot, Moment

MAGIC = b"vwindex1"
_START = struct.Struct("<8sII")
_STEP = 2 << 20  # bytes written at a time: about 2 ms, the longest that a search waits for it
_MAX_HEADER = 64 * 1024


@dataclass(frozen=True)
class Snapshot:
    """An index as it was written: row i of `vectors` belongs to ids[i]."""

    moment: Moment
    ids: Ids
    vectors: GrowingMatrix


def read(path: Path, fingerprint: str, dimension: int) -> Snapshot:
    """Read the file. Raises BadSnapshot, OSError."""
    with path.open("rb") as file:
        header = _header(file)
        if header.get("fingerprint") != fingerprint or header.get("dimension") != dimension:
            raise BadSnapshot(f"it was made with another model: {str(header.get('fingerprint'))[:200]}")
        revision, count, crc = (_natural(header, key) for key in ("revision", "count", "crc"))
        if os.fstat(file.fileno()).st_size != file.tell() + count * (8 + 4 * dimension):
            raise BadSnapshot("its length is not what its header says")
        ids, vectors = np.empty(count, "<i8"), GrowingMatrix(dimension, count)
        found = 0
        for array in (ids, vectors.room(count)):
            if count and file.readinto(array.data.cast("B")) != array.nbytes:
                raise BadSnapshot("it is cut short")
            found = zlib.crc32(array.data, found)
    if found != crc:
        raise BadSnapshot("its checksum does not fit its contents")
    return Snapshot(Moment(fingerprint, revision, str(header.get("stamp"))), ids, vectors)


def _header(file: BinaryIO) -> dict[str, object]:
    start = file.read(_START.size)
    if len(start) < _START.size:
        raise BadSnapshot("it is cut short")
    magic, length, crc = _START.unpack(start)
    if magic != MAGIC or length > _MAX_HEADER:
        raise BadSnapshot("it is no snapshot of this version")
    raw = file.read(length)
    if len(raw) != length or zlib.crc32(raw) != crc:
        raise BadSnapshot("its header is damaged")
    header = json.loads(raw)
    if not isinstance(header, dict):
        raise BadSnapshot("its header is damaged")
    return header


def _natural(header: dict[str, object], key: str) -> int:
    value = header.get(key)
    if not isinstance(value, int) or value < 0:
        raise BadSnapshot(f"its header has no usable {key}")
    return value


class Writer:
    """A snapshot under way: written beside the file, then renamed, so that it is whole or not there.

    Not by `core/files/replace.py`: a sync would keep the model's thread waiting for the disk, and what a power cut
    leaves of a snapshot is found by its checksum and made anew.
    """

    def __init__(self, path: Path, moment: Moment, ids: Ids, matrix: Matrix) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = path
        self._part = path.with_name(f".{path.name}.part")
        self._about = {**asdict(moment), "dimension": matrix.shape[1], "count": len(ids)}
        self._crc = 0
        self._file = self._part.open("wb")
        self._file.write(bytes(len(self._head())))
        self._blocks = _blocks(ids, matrix)

    def step(self) -> bool:
        """Write a little more; True when the snapshot is complete and in its place. Raises OSError."""
        block = next(self._blocks, None)
        if block is not None:
            self._crc = zlib.crc32(block, self._crc)
            self._file.write(block)
            return False
        self._finish()
        return True

    def give_up(self) -> None:
        self._blocks.close()  # its views of the index would keep that from growing in place
        with suppress(OSError):  # what is still buffered finds no room either
            self._file.close()
        self._part.unlink(missing_ok=True)

    def _head(self) -> bytes:
        # A fixed width: the header's place is kept before the checksum is known.
        raw = json.dumps({**self._about, "crc": self._crc}).encode()
        raw = raw.ljust(len(json.dumps(self._about)) + 32)
        return _START.pack(MAGIC, len(raw), zlib.crc32(raw)) + raw

    def _finish(self) -> None:
        self._file.seek(0)
        self._file.write(self._head())
        self._file.close()
        self._part.rename(self._path)


def _blocks(*arrays: Ids | Matrix) -> Generator[memoryview, None, None]:
    for array in arrays:
        rows = max(1, _STEP // max(1, array.strides[0]))
        for at in range(0, len(array), rows):
            yield array[at : at + rows].data.cast("B")
