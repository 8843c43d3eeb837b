"""The small Protocol that every model stands behind (daemon/README.md, "Encoding")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Protocol

import numpy as np

from daemon.encoder.arrays import Matrix

# Encoded in warm-up and again by each health check: the same text must give the same vector.
CANARIES = tuple(files(__package__).joinpath("canaries.txt").read_text("utf-8").splitlines())


@dataclass(frozen=True, slots=True)
class Encoded:
    """The vectors of n texts: shape (n, dimension), rows of norm 1.

    `tokens` counts what the model read; `truncated` holds the positions of texts that were cut.
    """

    vectors: Matrix
    tokens: int
    truncated: frozenset[int] = frozenset()


class Backend(Protocol):
    """A model in memory, used by one thread at a time; others may call `lengths` meanwhile.

    `batch_tokens` is the size of a call beyond which more texts bring no more texts a second; a document is cut at
    `max_tokens`.
    """

    @property
    def fingerprint(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    @property
    def device(self) -> str: ...

    @property
    def batch_tokens(self) -> int: ...

    @property
    def max_tokens(self) -> int: ...

    def encode_queries(self, texts: Sequence[str]) -> Encoded: ...

    def encode_documents(self, texts: Sequence[str]) -> Encoded: ...

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Estimate each text's tokens, cheaply, for the packing of batches."""
        ...


def unit_rows(matrix: Matrix) -> Matrix:
    """Divide rows by their L2 norm, in place; a zero row stays zero."""
    norms = np.sqrt(np.einsum("ij,ij->i", matrix, matrix))
    norms[norms == 0] = 1
    matrix /= norms[:, None]
    return matrix
