"""The fake that is shipped for tests: no model, real vectors, and every way in which an encoder can go wrong."""

from __future__ import annotations

import os
import re
import threading
import time
import zlib
from collections.abc import Sequence

import numpy as np

from daemon.core.config.tenant_config import EncoderConfig, FakeConfig
from daemon.core.errors import StartRefused
from daemon.core.units import MIB
from daemon.encoder.arrays import Matrix
from daemon.encoder.models.backend import CANARIES, Encoded, unit_rows

_LEAK_BYTES = MIB


class FakeBackend:
    """Vectors of hashed character n-grams: the more two texts share, the higher they score.

    `mode` goes wrong from the query (or document: `calls`) after the `after`-th on; canaries are neither counted nor
    harmed, so that an encoder gets through its warm-up first. `delay_ms` holds for every call.
    """

    batch_tokens = 1 << 20

    def __init__(self, config: EncoderConfig) -> None:
        self._fake = config.fake or FakeConfig()
        self.device = _device(config.device)
        self._max_query = config.max_query_tokens
        self.max_tokens = config.max_tokens or 1 << 20
        self._counted = 0
        self._leaked: list[bytearray] = []
        self._shift = 0  # by how many places every vector is off
        self.dimension = self._fake.dimension
        self.fingerprint = f"fake v1 d{self.dimension} t{self.max_tokens}"
        self._fail_at_start()

    def _fail_at_start(self) -> None:
        if self._fake.mode == "crash-at-start":
            raise RuntimeError("the fake encoder was told to crash at its start")
        if self._fake.mode == "never-ready":
            threading.Event().wait()

    def encode_queries(self, texts: Sequence[str]) -> Encoded:
        self._delay()
        self._count("queries", texts)
        return self._encode(texts, self._max_query)

    def encode_documents(self, texts: Sequence[str]) -> Encoded:
        self._delay()
        self._count("documents", texts)
        return self._encode(texts, self.max_tokens)

    def _count(self, calls: str, texts: Sequence[str]) -> None:
        for text in texts if calls == self._fake.calls else ():
            if not text.startswith(tuple(CANARIES)):  # the warm-up also times a long text of canaries
                self._counted += 1
                if self._counted > self._fake.after:
                    self._go_wrong()

    def lengths(self, texts: Sequence[str]) -> list[int]:
        return [len(text) for text in texts]

    def _delay(self) -> None:
        if self._fake.delay_ms:
            time.sleep(self._fake.delay_ms / 1000)

    def _go_wrong(self) -> None:
        mode = self._fake.mode
        if mode == "crash-on-request":
            os._exit(70)
        if mode == "hang":
            threading.Event().wait()
        if mode == "spin":
            spin()
        if mode == "leak":
            self._leaked.append(bytearray(os.urandom(1024)) * (_LEAK_BYTES // 1024))
        if mode == "drift":
            self._shift = 1

    def _encode(self, texts: Sequence[str], limit: int) -> Encoded:
        """Encode texts, a character being a token."""
        vectors: Matrix = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in zip(vectors, texts, strict=True):
            counts = np.bincount(_buckets(text[:limit], self.dimension), minlength=self.dimension)
            row[:] = np.roll(counts, self._shift)
        truncated = frozenset(at for at, text in enumerate(texts) if len(text) > limit)
        tokens = sum(min(len(text), limit) for text in texts)
        return Encoded(unit_rows(vectors), tokens, truncated)


def _device(device: str) -> str:
    """Check that a GPU, which is not touched, is the one that CUDA would show. Raises StartRefused."""
    if not device.startswith("cuda:"):
        return "cpu"
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if device != f"cuda:{visible}":
        raise StartRefused(f"cannot use {device}: CUDA_VISIBLE_DEVICES shows {visible or 'no GPU'}")
    return device


def _buckets(text: str, dimension: int) -> list[int]:
    """Hash each run of one to three characters into a bucket."""
    text = text.casefold()
    crc32 = zlib.crc32
    return [
        crc32(text[at : at + size].encode(errors="replace")) % dimension
        for size in (1, 2, 3)
        for at in range(max(1, len(text) - size + 1))
    ]


def spin() -> None:
    """Spin for ever and let no other thread run: the regex engine keeps the interpreter's lock."""
    while True:
        re.match(r"(?:a+)+$", "a" * 64 + "b")
