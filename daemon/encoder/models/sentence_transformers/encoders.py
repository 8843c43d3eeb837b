"""The two ways from texts to vectors.

Models whose first module is a transformer with a fast tokenizer, nearly all, are fed token ids that are read, cut and
padded here. Any other model (static embeddings, routers, chat-formatted input) goes through the library's own
`preprocess`, which is slower and tells less about cuts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch

from daemon.encoder.arrays import Matrix
from daemon.encoder.models.backend import Encoded, unit_rows
from daemon.encoder.models.presets import Preset
from daemon.encoder.models.sentence_transformers.device import Device
from daemon.encoder.models.sentence_transformers.groups import groups
from daemon.encoder.models.sentence_transformers.passes import Shape, to_matrix
from daemon.encoder.models.sentence_transformers.running import Runner, too_little_memory, without_running_out
from daemon.encoder.models.sentence_transformers.tokens import Side, Tokens

DOCUMENT = "document"
QUERY = "query"


class Encoder(Protocol):
    @property
    def batch_tokens(self) -> int: ...

    def count(self, text: str) -> int:
        """Count the tokens of a prompt."""
        ...

    def encode(self, texts: Sequence[str], side: Side) -> Encoded: ...

    def measure(self, texts: Sequence[str], side: Side) -> list[int]: ...


class TokenEncoder:
    def __init__(self, model: Any, device: Device, preset: Preset | None, dimension: int, batch_tokens: int) -> None:
        tokenizer = model[0].tokenizer
        self._tokens = Tokens(tokenizer, preset.end_token if preset else None)
        pad_left = (preset.padding_side if preset else tokenizer.padding_side) == "left"
        shape = Shape(self._tokens.pad_id, pad_left, dimension)
        self._runner = Runner(model, device, shape, batch_tokens)
        self._runner.calibrate()

    @property
    def batch_tokens(self) -> int:
        return self._runner.batch_tokens

    def count(self, text: str) -> int:
        return self._tokens.count(text)

    def encode(self, texts: Sequence[str], side: Side) -> Encoded:
        rows = self._tokens.take(texts, side) if side.task == DOCUMENT else self._tokens.read(texts, side)
        truncated = frozenset(at for at, row in enumerate(rows) if len(row) > side.limit)
        rows = [self._tokens.cut(row, side.limit) for row in rows]
        return Encoded(unit_rows(self._runner.run(rows)), sum(map(len, rows)), truncated)

    def measure(self, texts: Sequence[str], side: Side) -> list[int]:
        return self._tokens.measure(texts, side)


class PlainEncoder:
    """The way through the library's `preprocess`. A text of exactly `limit` tokens is reported as cut, too."""

    def __init__(self, model: Any, device: Device, dimension: int, batch_tokens: int) -> None:
        self._model = model
        self._device = device
        self._dimension = dimension
        self.batch_tokens = batch_tokens

    def count(self, text: str) -> int:
        """Count a prompt's tokens, special ones included: a few too many."""
        return int(self._model.preprocess([text])["input_ids"].numel()) if text else 0

    def measure(self, texts: Sequence[str], side: Side) -> list[int]:
        return [min(side.limit, _guess(side.prompt + text)) for text in texts]

    def encode(self, texts: Sequence[str], side: Side) -> Encoded:
        if self._model.max_seq_length != side.limit and has_settable_limit(self._model):
            self._model.max_seq_length = side.limit
        vectors: Matrix = np.empty((len(texts), self._dimension), np.float32)
        counts = np.zeros(len(texts), np.int64)
        for group in groups(self.measure(texts, side), apart=64, most=self.batch_tokens):
            self._halving([texts[at] for at in group], np.array(group), side, vectors, counts)
        truncated = frozenset(np.flatnonzero(counts >= side.limit).tolist())
        return Encoded(unit_rows(vectors), int(counts.sum()), truncated)

    def _halving(self, texts: list[str], rows: Any, side: Side, vectors: Matrix, counts: Any) -> None:
        found = without_running_out(lambda: self._call(texts, rows, side, counts))
        if found is not None:
            vectors[rows] = found
            return
        if len(texts) == 1:
            raise too_little_memory(f"a text of {len(texts[0])} characters")
        middle = len(texts) // 2
        self._halving(texts[:middle], rows[:middle], side, vectors, counts)
        self._halving(texts[middle:], rows[middle:], side, vectors, counts)

    def _call(self, texts: list[str], rows: Any, side: Side, counts: Any) -> Matrix:
        from sentence_transformers.util import batch_to_device

        features = self._model.preprocess(texts, prompt=side.prompt or None, task=side.task)
        counts[rows] = _counts(features, len(texts))
        with torch.inference_mode():
            output = self._model(batch_to_device(features, self._device.torch), task=side.task)
            return to_matrix(output["sentence_embedding"], self._dimension)


def _guess(text: str) -> int:
    """Guess a text's tokens: close for European scripts, on the low side for Chinese."""
    return len(text) // 3 + 2


def _counts(features: dict[str, Any], texts: int) -> Any:
    mask = features.get("attention_mask")
    if mask is not None and mask.shape[0] == texts:
        return mask.sum(dim=1).numpy()
    if "offsets" in features:  # static embeddings: all texts in one row
        return np.diff(features["offsets"].numpy(), append=len(features["input_ids"]))
    return np.zeros(texts, np.int64)


def has_settable_limit(model: Any) -> bool:
    """Tell whether a model's limit can be set; static embeddings, for one, have none."""
    found = getattr(type(model[0]), "max_seq_length", None)
    return isinstance(found, property) and found.fset is not None


def reads_tokens(model: Any, preset: Preset | None, prompts: Sequence[str]) -> bool:
    """Tell whether TokenEncoder does just what the library would do."""
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    first = model[0]
    if type(first) is not Transformer or not getattr(first.tokenizer, "is_fast", False):
        return False
    unusual = (
        ("message" in first.modality_config and preset is None)
        or first.modality_config.get("text", {}).get("method") != "forward"
        or first.processing_kwargs
        or (first.query_expansion or first.query_length or first.document_length)
        or any((model.module_kwargs or {}).values())
        or (any(prompts) and any(isinstance(one, Pooling) and not one.include_prompt for one in model))
    )
    return not unusual
