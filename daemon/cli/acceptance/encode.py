"""Rows 2 and 3: a model of the real shape, and vectors that equal the library's."""

from __future__ import annotations

import time
from pathlib import Path

from daemon.cli.acceptance.report import Row, judged
from daemon.cli.acceptance.stage import Stage
from daemon.core.encoder_protocol.acceptance import Encoded, InProcess, OutOfMemory, from_judge
from daemon.core.errors import InternalError

_JUDGE_S = 300.0
_TOO_ALIKE = 0.9
_ALIKE = 0.999  # of a text encoded in a halved batch and in a whole one, in bfloat16
_SLACK = 1.5  # times the library's own distance between one text alone and among others


def make_model(stage: Stage, size: str) -> tuple[Path, Row]:
    began = time.monotonic()
    folder = stage.model(size)
    gigabytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e9
    shape = "two layers, for a rehearsal" if size == "tiny" else "in its real shape"
    words = f"Qwen3-Embedding-{size}, {shape}, random weights, {gigabytes:.2f} GB, bfloat16"
    return folder, Row(f"model of {size}", "passed", words, took_s=round(time.monotonic() - began, 1))


def compare(stage: Stage, folder: Path, device: str, texts: int) -> tuple[list[Row], InProcess]:
    """Judge the vectors; the library's speed in the same process is for the table."""
    lines = stage.judge(
        folder, device, "--only", "encoded", "--only", "in-process", "--texts", str(texts), timeout_s=_JUDGE_S
    )
    found = [from_judge.validate_json(line) for line in lines]
    encoded, alone = found
    if not (isinstance(encoded, Encoded) and isinstance(alone, InProcess)):
        raise InternalError("cannot go on: the judge did not say all that it should")
    return [_sensitive(encoded), _right(encoded)], alone


def _bound(found: Encoded) -> float:
    """Return the least cosine of right vectors, from the distances that the library has to itself."""
    return 1 - _SLACK * max(1 - found.library_one_many, 1 - found.library_float32, 1e-6)


def _sensitive(found: Encoded) -> Row:
    """Show that wrong vectors fail: unrelated texts differ, swapped rows and wrong pooling are below the bound."""
    bound = _bound(found)
    words = (
        f"cosine of unrelated texts {found.unrelated_median:.3f} (below {_TOO_ALIKE:g}), of swapped rows "
        f"{found.swapped:.3f} and of mean pooling {found.wrong_pooling:.3f} (below the bound, {bound:.6f})"
    )
    holds = found.unrelated_median < _TOO_ALIKE and max(found.swapped, found.wrong_pooling) < bound
    return judged("wrong vectors would be noticed", holds, words)


def _right(found: Encoded) -> Row:
    bound = _bound(found)
    cosines = (found.ours_one_many, found.ours_library, found.ours_float32, found.cut_alike)
    words = (
        f"least cosine: one against many {found.ours_one_many:.6f} (library {found.library_one_many:.6f}), ours "
        f"against the library {found.ours_library:.6f}, against float32 on the CPU {found.ours_float32:.6f} (library "
        f"{found.library_float32:.6f}), of a cut text {found.cut_alike:.6f}; bound {bound:.6f}; padding on the "
        f"{found.padding_side}, {found.dimension} dimensions, {found.dtype} on {found.device}"
    )
    return judged("encode", min(cosines) >= bound and found.padding_side == "left", words, **found.model_dump())


def out_of_memory(stage: Stage, folder: Path, device: str) -> Row:
    """Encode past `limits.gpu_memory_mb`."""
    line = stage.judge(folder, device, "--only", "out-of-memory", timeout_s=_JUDGE_S)[-1]
    found = from_judge.validate_json(line)
    assert isinstance(found, OutOfMemory)
    holds = found.reserved_mb <= found.limit_mb and found.halvings > 0 and found.alike >= _ALIKE
    words = (
        f"limits.gpu_memory_mb {found.limit_mb}: PyTorch took {found.reserved_mb:.0f} MiB at most, the batch was "
        f"halved {found.halvings} times, the least cosine of its vectors is {found.alike:.6f} (at least {_ALIKE:g})"
    )
    return judged("memory bound and halved batches", holds, words, **found.model_dump())
