"""`python -m daemon.encoder.jobs.acceptance.judge FOLDER`: the product's vectors and speed beside the library's own.

Both sides load the same model in one process, so that they run on the same GPU at the same clocks.
"""

from __future__ import annotations

import argparse
import gc
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from daemon.core.config.tenant_config import EncoderConfig, LimitsConfig
from daemon.core.encoder_protocol.acceptance import Encoded, InProcess, OutOfMemory
from daemon.core.encoder_protocol.sample_texts import QUERY_CHARS, sentences
from daemon.core.paths import TenantPaths
from daemon.core.units import mib
from daemon.encoder import models
from daemon.encoder.jobs.job import tell
from daemon.encoder.models.sentence_transformers.device import CONTEXT_MB

_FEW, _ALONE, _REFERENCE = 64, 16, 8
_SECONDS = 4.0
_BATCH = 128  # of the library's bulk call
_MEMORY_SHORT_MB = 600  # above the weights: too little for the batch of `out_of_memory`


class Judge:
    """The library's model and the product's backend on the same folder."""

    def __init__(self, folder: Path, device: str, work: Path) -> None:
        self._folder, self._device, self._work = folder, device, work
        self._dtype = "bfloat16"
        self.library = self._load("cuda" if device.startswith("cuda") else "cpu", self._dtype)
        began = time.perf_counter()
        self.ours: Any = self._backend()
        self.load_s = time.perf_counter() - began

    def _load(self, device: str, dtype: str) -> Any:
        """Load the model as Qwen3-Embedding's card does."""
        from sentence_transformers import SentenceTransformer

        processor = {"padding_side": "left"}
        return SentenceTransformer(
            str(self._folder), device=device, model_kwargs={"dtype": dtype}, processor_kwargs=processor
        )

    def _backend(self, limits: LimitsConfig | None = None, **changes: Any) -> Any:
        settings = {"backend": "sentence-transformers", "model": str(self._folder), "device": self._device}
        config = EncoderConfig.model_validate({**settings, "dtype": self._dtype, **changes})
        return models.load(config, TenantPaths(self._work, self._work, self._work), limits or LimitsConfig())

    def encoded(self) -> Encoded:
        """Compare the vectors of few texts, made alone and together, by both sides and in float32 on the CPU."""
        texts = sentences(_FEW)
        many, ours = _rows(self.library, texts), self.ours.encode_documents(texts).vectors
        alone = np.concatenate([_rows(self.library, [text]) for text in texts[:_ALONE]])
        ours_alone = np.concatenate([self.ours.encode_documents([text]).vectors for text in texts[:_ALONE]])
        reference = _rows(self._load("cpu", "float32"), texts[:_REFERENCE])
        others = (many @ many.T)[~np.eye(len(texts), dtype=bool)]
        return Encoded(
            device=self.ours.device,
            dtype=self._dtype,
            dimension=self.ours.dimension,
            padding_side=self.library.tokenizer.padding_side,
            library_one_many=_least(alone, many),
            ours_one_many=_least(ours_alone, ours),
            ours_library=_least(ours, many),
            ours_float32=_least(ours, reference),
            library_float32=_least(many, reference),
            cut_alike=self._cut_alike(),
            unrelated_median=float(np.median(others)),
            swapped=float(np.median((ours[::-1] * many).sum(axis=1))),
            wrong_pooling=float(np.median((self._mean_pooled(texts) * many).sum(axis=1))),
            load_s=round(self.load_s, 2),
            batch_tokens=self.ours.batch_tokens,
        )

    def _cut_alike(self) -> float:
        """Compare a text past the limit with what the library makes of it; its end token must survive the cut."""
        most = 64
        long = " ".join(sentences(40))
        ours = self._backend(max_tokens=most).encode_documents([long]).vectors
        before, self.library.max_seq_length = self.library.max_seq_length, most
        theirs = _rows(self.library, [long])
        self.library.max_seq_length = before
        return _least(ours, theirs)

    def _mean_pooled(self, texts: Sequence[str]) -> Any:
        """Pool wrongly on purpose: what passes for right must not."""
        pooling = next(module for module in self.library if hasattr(module, "pooling_mode"))
        before, pooling.pooling_mode = pooling.pooling_mode, "mean"
        try:
            return _rows(self.library, texts)
        finally:
            pooling.pooling_mode = before

    def in_process(self, count: int) -> InProcess:
        """Measure the library: queries one after the other, then `count` texts and queries in one call each."""
        texts = sentences(count)
        queries = [text[:QUERY_CHARS] for text in texts]
        prompt = self.library.prompts.get("query")
        times = _times(lambda at: self.library.encode([queries[at % count]], prompt=prompt, normalize_embeddings=True))
        return InProcess(
            queries_per_s=len(times) / sum(times),
            p50_ms=1000 * times[len(times) // 2],
            p99_ms=1000 * times[int(0.99 * len(times))],
            bulk_texts_per_s=count / _seconds(lambda: self._bulk(texts, None)),
            bulk_queries_per_s=count / _seconds(lambda: self._bulk(queries, prompt)),
            texts=count,
            gpu_memory_mb=_reserved_mb(self._device),
        )

    def _bulk(self, texts: Sequence[str], prompt: str | None) -> Any:
        return self.library.encode(texts, prompt=prompt, batch_size=_BATCH, normalize_embeddings=True)

    def out_of_memory(self) -> OutOfMemory:
        """Encode a batch that `limits.gpu_memory_mb` is too small for; CUDA only."""
        import torch

        texts = sentences(256)
        expected = self.ours.encode_documents(texts[:_ALONE]).vectors
        del self.library, self.ours
        gc.collect()
        torch.cuda.empty_cache()
        weights = mib(sum(path.stat().st_size for path in self._folder.glob("*.safetensors")))
        limit = int(weights) + CONTEXT_MB + _MEMORY_SHORT_MB
        bounded = self._backend(LimitsConfig(gpu_memory_mb=limit), batch_tokens=65_536)
        torch.cuda.reset_peak_memory_stats()
        long = [" ".join([text] * 40) for text in texts]
        with counting("gpu-memory-short") as halvings:
            found = bounded.encode_documents([*texts[:_ALONE], *long]).vectors
        return OutOfMemory(
            limit_mb=limit,
            reserved_mb=mib(torch.cuda.max_memory_reserved()),
            halvings=len(halvings),
            alike=_least(found[:_ALONE], expected),
        )


@contextmanager
def counting(event: str) -> Iterator[list[logging.LogRecord]]:
    """Collect the log lines of one event."""
    seen: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(record) if record.getMessage() == event else None  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    try:
        yield seen
    finally:
        logging.getLogger().removeHandler(handler)


def _rows(model: Any, texts: Sequence[str]) -> Any:
    """Return the library's vectors, of shape (len(texts), dimension), float32, of length 1."""
    found = model.encode(list(texts), batch_size=len(texts), convert_to_tensor=True, normalize_embeddings=True)
    rows = found.float().cpu().numpy()
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _least(one: Any, other: Any) -> float:
    """Return the smallest cosine of a row with its counterpart; the shorter side says how many rows."""
    count = min(len(one), len(other))
    return float((one[:count] * other[:count]).sum(axis=1).min())


def _times(call: Callable[[int], object]) -> list[float]:
    """Return seconds of each call, ascending, after three that warm up."""
    for at in range(3):
        call(at)
    times: list[float] = []
    end = time.perf_counter() + _SECONDS
    while time.perf_counter() < end or not times:
        began = time.perf_counter()
        call(len(times))
        times.append(time.perf_counter() - began)
    return sorted(times)


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _reserved_mb(device: str) -> float | None:
    import torch

    return mib(torch.cuda.max_memory_reserved()) if device.startswith("cuda") else None


def main() -> int:
    parser = argparse.ArgumentParser("daemon.encoder.jobs.acceptance.judge")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", required=True)
    parser.add_argument("--work", required=True, type=Path)
    parser.add_argument("--texts", type=int, default=10_000)
    parser.add_argument("--only", action="append", choices=["encoded", "in-process", "out-of-memory"], required=True)
    options = parser.parse_args()
    judge = Judge(options.folder, options.device, options.work)
    if "encoded" in options.only:
        tell(judge.encoded())
    if "in-process" in options.only:
        tell(judge.in_process(options.texts))
    if "out-of-memory" in options.only:
        tell(judge.out_of_memory())
    return 0


if __name__ == "__main__":
    sys.exit(main())
