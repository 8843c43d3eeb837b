"""Token ids of texts, read once for both the packing of batches and the model."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

TokenIds = npt.NDArray[np.int32]

_REMEMBERED_TOKENS = 1 << 20  # 4 MiB: an import's texts between their packing and their turn


@dataclass(frozen=True)
class Side:
    """The reading of queries, or of documents: the prompt before a text, and the limit of tokens in all."""

    task: str
    prompt: str
    limit: int


class Tokens:
    """A fast tokenizer without padding and cutting of its own. Its methods may be called by several threads."""

    def __init__(self, tokenizer: Any, end_token: str | None = None) -> None:
        """Take over a tokenizer; `end_token` is appended where it does not do so by itself."""
        self._inner = tokenizer.backend_tokenizer
        self._inner.no_padding()
        self._inner.no_truncation()
        self._cut_left = tokenizer.truncation_side == "left"
        self._ending: list[int] = []
        probe = self._inner.encode("a")
        special = probe.special_tokens_mask
        self._before = special.index(0) if 0 in special else 0
        self._after = special[::-1].index(0) if 0 in special else 0
        if end_token is not None:
            self._end_with(self._inner.token_to_id(end_token), probe.ids)
        pad = tokenizer.pad_token_id
        self.pad_id = int(pad) if pad is not None else 0
        self._lock = threading.Lock()
        self._kept: dict[str, TokenIds] = {}
        self._kept_tokens = 0

    def _end_with(self, end: int | None, probe: list[int]) -> None:
        if end is None:
            raise ValueError("its tokenizer does not know the end token")
        if probe[-1] != end:
            self._ending = [end]
            self._after += 1

    def count(self, text: str) -> int:
        """Count the tokens of the text alone."""
        return len(self._inner.encode(text, add_special_tokens=False).ids)

    def read(self, texts: Sequence[str], side: Side) -> list[TokenIds]:
        """Read texts, with the prompt before and the special tokens around."""
        prompted = [side.prompt + text for text in texts] if side.prompt else list(texts)
        return [self._array(encoding.ids) for encoding in self._inner.encode_batch_fast(prompted)]

    def _array(self, ids: list[int]) -> TokenIds:
        return np.array([*ids, *self._ending] or [self.pad_id], np.int32)

    def cut(self, ids: TokenIds, limit: int) -> TokenIds:
        """Cut to at most `limit` tokens; the special tokens at both ends stay."""
        if len(ids) <= limit:
            return ids
        body = ids[self._before : len(ids) - self._after]
        room = max(0, limit - self._before - self._after)
        body = body[len(body) - room :] if self._cut_left else body[:room]
        return np.concatenate([ids[: self._before], body, ids[len(ids) - self._after :]])

    # --- documents are measured before they are encoded ---

    def measure(self, texts: Sequence[str], side: Side) -> list[int]:
        """Count each text's tokens after the cut, and remember them for `take`."""
        rows = [self.cut_marked(row, side.limit) for row in self.read(texts, side)]
        with self._lock:
            for text, row in zip(texts, rows, strict=True):
                self._remember(text, row)
        return [min(len(row), side.limit) for row in rows]

    def cut_marked(self, ids: TokenIds, limit: int) -> TokenIds:
        """Cut to one token more than the limit, which still shows that it was longer."""
        return self.cut(ids, limit + 1)

    def _remember(self, text: str, row: TokenIds) -> None:
        if text in self._kept:
            return
        self._kept[text] = row
        self._kept_tokens += len(row)
        while self._kept_tokens > _REMEMBERED_TOKENS:
            self._kept_tokens -= len(self._kept.pop(next(iter(self._kept))))

    def take(self, texts: Sequence[str], side: Side) -> list[TokenIds]:
        """Read texts, those that `measure` remembers from there, where they are forgotten then."""
        with self._lock:
            rows = [self._kept.pop(text, None) for text in texts]
            self._kept_tokens -= sum(len(row) for row in rows if row is not None)
        missing = [at for at, row in enumerate(rows) if row is None]
        for at, row in zip(missing, self.read([texts[at] for at in missing], side), strict=True):
            rows[at] = row
        return [row for row in rows if row is not None]
