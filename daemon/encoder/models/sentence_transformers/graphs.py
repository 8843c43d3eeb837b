"""CUDA graphs of a model's short calls: what a query launches is recorded once, and played again in one launch.

A query's 1,400 kernels run 4 ms on an H100, and launching them takes 28 ms of a processor (Qwen3-Embedding-0.6B:
`tests/gpu/README.md`). A graph has one shape, so rows are padded to the next recorded one, as rows of unlike length are
padded in any batch. A shape whose graph can't be recorded, gives other vectors, or is no faster is left to the ordinary
call; so is a model with code of its own, whose Python a recorded call would pass over in silence.
"""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from daemon.encoder.arrays import Matrix
from daemon.encoder.models.sentence_transformers.device import Device
from daemon.encoder.models.sentence_transformers.passes import Shape, to_matrix
from daemon.encoder.models.sentence_transformers.tokens import TokenIds

log = logging.getLogger(__name__)

# An instruction and a query's few words; a queue's natural batches.
WIDTHS = (32, 64, 128)
COUNTS = (1, 4, 8, 16, 32)
_WARM_UPS = 2
_ALIKE = 0.999  # cosine of a vector with the ordinary call's; bfloat16 alone costs 0.0002
_WORTH_IT = 0.9  # of the ordinary call's time
_BUDGET_S = 15.0  # for recording all shapes, at the start
_LIBRARIES = {"torch", "transformers", "sentence_transformers"}  # a model's own code is in `transformers_modules`


@dataclass(frozen=True)
class _Recorded:
    """One graph with its input, both of shape (count, width), and its output of shape (count, dimension)."""

    graph: Any
    ids: Any
    mask: Any
    output: Any


class Graphs:
    """The recorded calls of one model; used by the thread that runs the model."""

    def __init__(self, modules: Sequence[Any], device: Device, shape: Shape) -> None:
        self._modules = modules
        self._device = device
        self._shape = shape
        self._pool = torch.cuda.graph_pool_handle()  # one at a time: they may share their memory
        self._recorded: dict[tuple[int, int], _Recorded] = {}

    def record(self, ordinary: Callable[[Sequence[TokenIds]], Matrix]) -> None:
        """Record each shape that pays, largest first: their shared memory is taken once."""
        if foreign := own_code(self._modules):
            log.info("graphs-not-recorded", extra={"reason": f"{foreign} is the model's own code"})
            return
        began = time.perf_counter()
        for width in reversed(WIDTHS):
            for count in reversed(COUNTS):
                if time.perf_counter() - began > _BUDGET_S:
                    log.warning("graphs-cut-short", extra={"graphs": len(self._recorded)})
                    return
                if not self._try(count, width, ordinary):
                    return
        seconds = round(time.perf_counter() - began, 1)
        log.info("graphs-recorded", extra={"graphs": len(self._recorded), "seconds": seconds})

    def _try(self, count: int, width: int, ordinary: Callable[[Sequence[TokenIds]], Matrix]) -> bool:
        """Record one shape and keep it where it is right and faster; False: this model can't be recorded."""
        rows = [np.arange(1, width + 1 - (at % 7), dtype=np.int32) for at in range(count)]
        try:
            expected, slow = _timed(lambda: ordinary(rows))
            self._recorded[count, width] = self._record(count, width)
            found, fast = _timed(lambda: self._play(rows, count, width))
        except (RuntimeError, AttributeError, TypeError, ValueError) as error:
            self._recorded.pop((count, width), None)
            torch.cuda.empty_cache()
            log.warning("graph-not-recorded", extra={"texts": count, "tokens": width, "reason": str(error)[:500]})
            return isinstance(error, torch.OutOfMemoryError)  # a smaller shape may fit
        if not _alike(found, expected) or fast > _WORTH_IT * slow:
            del self._recorded[count, width]
            log.info("graph-dropped", extra={"texts": count, "tokens": width, "seconds": fast, "ordinary_s": slow})
        return True

    def _record(self, count: int, width: int) -> _Recorded:
        device = self._device.torch
        with torch.inference_mode():
            ids = torch.full((count, width), self._shape.pad_id, dtype=torch.int64, device=device)
            mask = torch.ones((count, width), dtype=torch.int64, device=device)
            beside = torch.cuda.Stream(device)
            beside.wait_stream(torch.cuda.current_stream(device))
            with torch.cuda.stream(beside):
                for _ in range(_WARM_UPS):
                    self._forward(ids, mask)
            torch.cuda.current_stream(device).wait_stream(beside)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                output = self._forward(ids, mask)
        return _Recorded(graph, ids, mask, output)

    def _forward(self, ids: Any, mask: Any) -> Any:
        features: dict[str, Any] = {"input_ids": ids, "attention_mask": mask, "modality": "text"}
        for module in self._modules:
            features = module(features)
        return features["sentence_embedding"]

    def run(self, rows: Sequence[TokenIds]) -> Matrix | None:
        """Encode rows: shape (len(rows), dimension), not normalised; None where no recorded shape holds them."""
        key = self._fitting(len(rows), max(map(len, rows)))
        return None if key is None else self._play(rows, *key)

    def drop(self) -> bool:
        """Give the recorded calls' memory back, for good: an ordinary call needs it; False: there was none."""
        if not self._recorded:
            return False
        log.warning("graphs-dropped", extra={"reason": "the GPU's memory is short", "graphs": len(self._recorded)})
        self._recorded.clear()
        gc.collect()
        torch.cuda.empty_cache()
        return True

    def _fitting(self, count: int, width: int) -> tuple[int, int] | None:
        fitting = [key for key in self._recorded if key[0] >= count and key[1] >= width]
        return min(fitting, key=lambda key: key[0] * key[1], default=None)

    def _play(self, rows: Sequence[TokenIds], count: int, width: int) -> Matrix:
        recorded = self._recorded[count, width]
        ids = np.full((count, width), self._shape.pad_id, np.int64)
        mask = np.zeros((count, width), np.int64)
        for at in range(count):
            row = rows[at] if at < len(rows) else rows[0]  # a row without a token would compute not-a-number
            start = width - len(row) if self._shape.pad_left else 0
            ids[at, start : start + len(row)] = row
            mask[at, start : start + len(row)] = 1
        with torch.inference_mode():
            recorded.ids.copy_(torch.from_numpy(ids))
            recorded.mask.copy_(torch.from_numpy(mask))
            recorded.graph.replay()
            return to_matrix(recorded.output[: len(rows)], self._shape.dimension)


def own_code(modules: Sequence[Any]) -> str | None:
    """Return the first class of the model that no library brings, None where there is none."""
    for module in modules:
        for part in module.modules():
            if type(part).__module__.partition(".")[0] not in _LIBRARIES:
                return f"{type(part).__module__}.{type(part).__qualname__}"
    return None


def _timed(call: Callable[[], Matrix]) -> tuple[Matrix, float]:
    """Return the result and the best of two calls' seconds, after one that warms up."""
    found = call()
    times = []
    for _ in range(2):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return found, min(times)


def _alike(one: Matrix, other: Matrix) -> bool:
    """Tell whether each row has the direction of its counterpart."""
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return bool(((one * other).sum(axis=1) >= _ALIKE * lengths).all())
