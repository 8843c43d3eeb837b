"""Batches of token ids on the right threads, and smaller ones when the GPU's memory is short."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from daemon.core.errors import Unavailable
from daemon.encoder.arrays import Matrix
from daemon.encoder.models.sentence_transformers.device import Device
from daemon.encoder.models.sentence_transformers.graphs import Graphs
from daemon.encoder.models.sentence_transformers.groups import even_parts, fixed_cost, groups
from daemon.encoder.models.sentence_transformers.passes import Lanes, Pass, Shape
from daemon.encoder.models.sentence_transformers.tokens import TokenIds

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
_TRIAL_ROWS_A_LANE = 16


class Runner:
    """A model that runs batches, for one thread at a time; `batch_tokens` (see Backend) shrinks with a GPU's memory."""

    def __init__(self, model: Any, device: Device, shape: Shape, batch_tokens: int) -> None:
        self._call = Pass(list(model.children()), device, shape)
        self._device = device
        self._shape = shape
        self._apart = 0.0
        self._threads = 1 if device.is_gpu else torch.get_num_threads()
        self._alone_up_to = 0  # tokens of a call that one thread computes
        self._lanes: Lanes | None = None
        self._graphs: Graphs | None = None
        self._most = batch_tokens
        self.batch_tokens = batch_tokens

    def calibrate(self) -> None:
        """Time calls of the model on this device, to choose their size and their threads."""
        self._call.mask_always = not self._same_without_mask()
        most = _MOST_FIXED_GPU if self._device.is_gpu else _MOST_FIXED_CPU
        self._apart = fixed_cost(lambda count: _seconds(lambda: self._one(_trial(count))), _TRIAL_TOKENS, most)
        self._alone_up_to = _FEW_TOKENS if self._alone_is_faster() else 0
        self._lanes = self._lanes_if_faster()
        if self._device.is_gpu:
            self._graphs = Graphs(self._call.modules, self._device, self._shape)
            self._graphs.record(self._call)
        self.batch_tokens = min(self._most, max(_LEAST_BATCH, round(_ENOUGH * self._apart)))
        about = {
            "call_costs_tokens": round(self._apart),
            "batch_tokens": self.batch_tokens,
            "one_thread_up_to": self._alone_up_to,
            "threads": self._threads,
            "lanes": self._lanes is not None,
        }
        log.info("model-timed", extra=about)

    def _same_without_mask(self) -> bool:
        """Tell whether the model takes a missing mask for one without padding, as it should, which saves time."""
        masked = self._one(_trial(1))
        try:
            self._call.mask_always = False
            found = self._one(_trial(1))
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            log.info("mask-needed", extra={"reason": str(error)[:500]})
            return False
        return _alike(masked, found)

    def _alone_is_faster(self) -> bool:
        if self._threads == 1:
            return False
        rows = _trial(_FEW_TOKENS // 2 // _TRIAL_TOKENS)
        together = _seconds(lambda: self._one(rows))
        self._alone_up_to = _FEW_TOKENS
        return together > _WORTH_IT * _seconds(lambda: self._one(rows))

    def _lanes_if_faster(self) -> Lanes | None:
        if self._threads == 1:
            return None
        lanes = Lanes(self._call, self._device, self._shape, self._threads)
        rows = _trial(_TRIAL_ROWS_A_LANE * self._threads)
        parts = [rows[at :: self._threads] for at in range(self._threads)]
        together = _seconds(lambda: self._one(rows))
        same = all(_alike(self._one(part), found) for part, found in zip(parts, lanes.run(parts), strict=True))
        if same and _seconds(lambda: lanes.run(parts)) < together:
            return lanes
        lanes.close()
        return None

    def run(self, rows: Sequence[TokenIds]) -> Matrix:
        """Encode rows: shape (len(rows), dimension), not normalised. Raises Unavailable."""
        if len(rows) == 1:
            return self._halving(rows)
        lengths = [len(row) for row in rows]
        vectors: Matrix = np.empty((len(rows), self._shape.dimension), np.float32)
        parts = list(groups(lengths, self._apart, self._most))
        if self._lanes is None or sum(lengths) <= self._alone_up_to or _one_is_most(parts, lengths):
            for part in parts:
                vectors[part] = self._halving([rows[at] for at in part])
            return vectors
        parts = [even for part in parts for even in even_parts(part, lengths, self._threads)]
        parts.reverse()  # the longest first: the lanes end together
        for part, found in zip(parts, self._lanes.run([rows[at] for at in part] for part in parts), strict=True):
            vectors[part] = found
        return vectors

    def _halving(self, rows: Sequence[TokenIds]) -> Matrix:
        vectors = without_running_out(lambda: self._one(rows))
        if vectors is not None:
            return vectors
        if self._graphs is not None and self._graphs.drop():
            return self._halving(rows)
        if len(rows) == 1:
            raise too_little_memory(f"a text of {len(rows[0])} tokens")
        self._most = max(1, min(self._most, len(rows) * max(map(len, rows)) // 2))
        log.warning("gpu-memory-short", extra={"texts": len(rows), "batch_tokens": self._most})
        middle = len(rows) // 2
        return np.concatenate([self._halving(rows[:middle]), self._halving(rows[middle:])])

    def _one(self, rows: Sequence[TokenIds]) -> Matrix:
        """Run one pass on this thread and those of its operations; to set their number costs a microsecond."""
        wanted = 1 if len(rows) * max(map(len, rows)) <= self._alone_up_to else self._threads
        if torch.get_num_threads() != wanted:
            torch.set_num_threads(wanted)
        if self._graphs is not None and (found := self._graphs.run(rows)) is not None:
            return found
        return self._call(rows)


def _trial(count: int) -> list[TokenIds]:
    return [np.zeros(_TRIAL_TOKENS, np.int32)] * count


def _seconds(call: Callable[[], object]) -> float:
    """Time the best of a few calls, after one that warms up."""
    call()
    times: list[float] = []
    while len(times) < 2 or (len(times) < _TRIALS and sum(times) < _TRIAL_S):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return min(times)


def _alike(one: Matrix, other: Matrix) -> bool:
    return bool(np.allclose(one, other, rtol=0, atol=1e-3 * np.abs(one).max()))


def _one_is_most(parts: Sequence[Sequence[int]], lengths: Sequence[int]) -> bool:
    """Tell whether one text is as long as all others together: one lane would have it, and the others nothing."""
    longest = lengths[parts[-1][-1]]
    return 2 * longest > sum(lengths)


def without_running_out(call: Callable[[], Matrix]) -> Matrix | None:
    """Call; None: the GPU's memory did not suffice, and the attempt's memory is free again."""
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
