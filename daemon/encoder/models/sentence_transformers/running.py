"""Rows of token ids through the model's modules, and what to do when the GPU's memory does not suffice.

`SentenceTransformer.encode` is not used: its sorting, progress bar, device checks and dictionaries cost 1 to 3 ms a
call on the CPU. The modules are called as it calls them, so the vectors are the same.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from daemon.core.errors import Unavailable
from daemon.encoder.models.backend import Matrix
from daemon.encoder.models.sentence_transformers.device import Device
from daemon.encoder.models.sentence_transformers.groups import fixed_cost, groups
from daemon.encoder.models.sentence_transformers.tokens import Ids

log = logging.getLogger(__name__)

_TRIAL_TOKENS = 8
_TRIALS, _TRIAL_S = 10, 0.5  # and two calls at least
# What a call may cost by itself, in tokens: Python and many small operations on the CPU (measured: 5 to 30); launches
# of kernels, which a GPU is too fast for (an estimate).
_MOST_FIXED_CPU, _MOST_FIXED_GPU = 64.0, 4096.0
# A call of this many times its fixed cost is as good as any longer one: the fixed cost is then 3 % of it.
_ENOUGH = 32
_LEAST_BATCH = 128
# Up to so many tokens one thread may be faster than several that must wait for each other at each operation. Measured
# for a query of 15 tokens, all-MiniLM-L6-v2, two cores: 4.2 ms with one, 5.2 ms with two (3.0 ms if they spin, which
# takes up to 100 ms as soon as anything else runs).
_FEW_TOKENS = 64
_WORTH_IT = 0.7  # of one thread's time: in a running encoder the event loop wants a processor, too


@dataclass(frozen=True)
class Shape:
    """How the model wants its input, and how many values of its output are kept."""

    pad_id: int
    pad_left: bool
    dimension: int


class Runner:
    """Used by one thread at a time. `batch_tokens`: see Backend; it shrinks when the GPU's memory does not suffice."""

    def __init__(self, model: Any, device: Device, shape: Shape, batch_tokens: int) -> None:
        self._modules = list(model.children())
        self._device = device
        self._shape = shape
        self._input = _Input(device)
        self._apart = 0.0
        self._mask_always = True
        self._threads = 1 if device.is_gpu else torch.get_num_threads()
        self._alone_up_to = 0  # tokens of a call that one thread computes
        self._most = batch_tokens
        self.batch_tokens = batch_tokens

    def calibrate(self) -> None:
        """Times calls of the model on this device: how large they should be, and when to make two of one."""
        self._mask_always = not self._same_without_mask()
        most = _MOST_FIXED_GPU if self._device.is_gpu else _MOST_FIXED_CPU
        self._apart = fixed_cost(self._seconds, _TRIAL_TOKENS, most)
        self._alone_up_to = _FEW_TOKENS if self._alone_is_faster() else 0
        self.batch_tokens = min(self._most, max(_LEAST_BATCH, round(_ENOUGH * self._apart)))
        log.info("model-timed", extra={
            "call_costs_tokens": round(self._apart), "batch_tokens": self.batch_tokens,
            "one_thread_up_to": self._alone_up_to, "threads": self._threads,
        })  # fmt: skip

    def _same_without_mask(self) -> bool:
        """Whether the model takes a missing mask for one without padding, as it should: it need not look then."""
        rows = [np.full(_TRIAL_TOKENS, self._shape.pad_id, np.int32)]
        masked = self._call(rows)
        try:
            self._mask_always = False
            found = self._call(rows)
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            log.info("mask-needed", extra={"reason": str(error)[:500]})
            return False
        return bool(np.allclose(masked, found, rtol=0, atol=1e-3 * np.abs(masked).max()))

    def _alone_is_faster(self) -> bool:
        if self._threads == 1:
            return False
        texts = _FEW_TOKENS // 2 // _TRIAL_TOKENS
        together = self._seconds(texts)
        self._alone_up_to = _FEW_TOKENS
        return together > _WORTH_IT * self._seconds(texts)

    def _seconds(self, count: int) -> float:
        """The best of a few calls after one that warms up."""
        rows = [np.full(_TRIAL_TOKENS, self._shape.pad_id, np.int32)] * count
        self._call(rows)
        times: list[float] = []
        while len(times) < 2 or (len(times) < _TRIALS and sum(times) < _TRIAL_S):
            started = time.perf_counter()
            self._call(rows)
            times.append(time.perf_counter() - started)
        return min(times)

    def run(self, rows: Sequence[Ids]) -> Matrix:
        """Shape (len(rows), dimension), float32, not normalised. Raises Unavailable."""
        if len(rows) == 1:
            return self._halving(rows)
        vectors: Matrix = np.empty((len(rows), self._shape.dimension), np.float32)
        for group in groups([len(row) for row in rows], self._apart, self._most):
            vectors[group] = self._halving([rows[at] for at in group])
        return vectors

    def _halving(self, rows: Sequence[Ids]) -> Matrix:
        vectors = without_running_out(lambda: self._call(rows))
        if vectors is not None:
            return vectors
        if len(rows) == 1:
            raise too_little_memory(f"a text of {len(rows[0])} tokens")
        self._most = max(1, min(self._most, len(rows) * max(map(len, rows)) // 2))
        log.warning("gpu-memory-short", extra={"texts": len(rows), "batch_tokens": self._most})
        middle = len(rows) // 2
        return np.concatenate([self._halving(rows[:middle]), self._halving(rows[middle:])])

    def _call(self, rows: Sequence[Ids]) -> Matrix:
        ids, mask = self._input.of(rows, self._shape)
        self._use_threads(ids.numel())
        features: dict[str, Any] = {"input_ids": ids, "modality": "text"}
        if self._mask_always or len({len(row) for row in rows}) > 1:
            features["attention_mask"] = mask
        with torch.inference_mode():
            for module in self._modules:
                features = module(features)
            return to_matrix(features["sentence_embedding"], self._shape.dimension)

    def _use_threads(self, tokens: int) -> None:
        """For this thread, which alone calls the model; costs a microsecond."""
        wanted = 1 if tokens <= self._alone_up_to else self._threads
        if torch.get_num_threads() != wanted:
            torch.set_num_threads(wanted)


def to_matrix(embedding: Any, dimension: int) -> Matrix:
    """On the host and in float32, which is all that numpy knows; cut on the device."""
    matrix: Matrix = embedding[:, :dimension].float().cpu().numpy()
    return matrix


def without_running_out(call: Callable[[], Matrix]) -> Matrix | None:
    """None: the GPU's memory did not suffice; what the attempt held is free again when this returns."""
    try:
        return call()
    except torch.OutOfMemoryError:
        pass  # until the handler ends, the traceback keeps the attempt's tensors
    torch.cuda.empty_cache()
    return None


def too_little_memory(what: str) -> Unavailable:
    return Unavailable(
        f"cannot encode {what}: the GPU's memory does not suffice for it alone; lower encoder.max_tokens, raise "
        "limits.gpu_memory_mb or choose a smaller model"
    )


class _Input:
    """The model's input, written into one buffer that is used again and again; on a GPU it is page-locked."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._buffer = torch.empty(0, dtype=torch.int64)

    def of(self, rows: Sequence[Ids], shape: Shape) -> tuple[Any, Any]:
        """Ids and mask on the device, both of shape (len(rows), longest), int64."""
        count, width = len(rows), max(map(len, rows))
        if self._buffer.numel() < 2 * count * width:
            self._buffer = torch.empty(2 * count * width, dtype=torch.int64, pin_memory=self._device.is_gpu)
        both = self._buffer[: 2 * count * width].view(2, count, width)
        ids, mask = both.numpy()
        ids.fill(shape.pad_id)
        mask.fill(0)
        for at, row in enumerate(rows):
            start = width - len(row) if shape.pad_left else 0
            ids[at, start : start + len(row)] = row
            mask[at, start : start + len(row)] = 1
        # The buffer is not written again before the copy is done: the result of the call is waited for.
        there = both.to(self._device.torch, non_blocking=True)
        return there[0], there[1]
