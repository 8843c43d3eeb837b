"""The exact index against one pass of numpy over the same matrix: `python -m tests.benchmarks.index [ENTRIES]`.

One thread on both sides, made-up vectors, k = 5, alternating rounds. The pass alone (`matrix @ vector`) finds nothing
yet: its time is the least that reading each vector once costs with numpy.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read once, when numpy is imported

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import faiss
import numpy as np

from daemon.core import wire
from daemon.encoder.arrays import Matrix
from daemon.encoder.index.exact import ExactIndex
from daemon.encoder.index.growing import GrowingMatrix
from daemon.encoder.knowledge import Knowledge, WriteContext
from daemon.encoder.models.backend import unit_rows
from tests.benchmarks.common import ROUNDS, Series

ENTRIES = 100_000
DIMENSIONS = (384, 512, 1024)
K = 5
CALLS = 5
EDITS = 200
_PART = 2000


def made_up(count: int, dimension: int, seed: int = 1) -> Matrix:
    return unit_rows(np.random.default_rng(seed).standard_normal((count, dimension), np.float32))


def milliseconds(call: Callable[[], object], calls: int = CALLS) -> float:
    began = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - began) * 1000 / calls


def compare(name: str, ours: Callable[[], object], theirs: Callable[[], object], target: str = "") -> None:
    series = Series(name, "ms")
    ours(), theirs()
    for number in range(ROUNDS):
        sides = [(series.ours, ours), (series.theirs, theirs)]
        for times, call in sides if number % 2 == 0 else reversed(sides):
            times.append(milliseconds(call))
    print(series.line(target))


def searches(count: int, dimension: int) -> None:
    matrix = GrowingMatrix(dimension, count)
    matrix.room(count)[:] = made_up(count, dimension)
    index = ExactIndex.of(np.arange(1, count + 1), matrix)
    one, many = made_up(1, dimension, 2), made_up(32, dimension, 3)
    shape = f"{count} x {dimension}"
    compare(f"{shape}: one query", lambda: index.search(one, K), lambda: index.matrix @ one[0], "(must: under 1.5)")
    compare(f"{shape}: 32 queries at once", lambda: index.search(many, K), lambda: index.matrix @ many.T)
    edits(index, one[0], shape)
    for share in (1, 10, 50):
        among = np.random.default_rng(4).choice(np.arange(1, count + 1), count * share // 100, replace=False)
        name = f"{shape}: one query among {share} %"
        compare(name, lambda: index.search(one, K, among), lambda: index.matrix @ one[0])  # noqa: B023 - called at once


def edits(index: ExactIndex, vector: Matrix, shape: str) -> None:
    """Time an edit, an addition and a removal, and print the slowest too: none may depend on the index's size."""
    number = len(index) + 1

    def each(name: str, do: Callable[[int], object], ids: Sequence[int]) -> None:
        times = [milliseconds(lambda: do(id_), 1) * 1000 for id_ in ids]  # noqa: B023 - called at once
        print(f"{f'{shape}: {name}':<46} {float(np.median(times)):>10.2f} us, at most {max(times):.0f}")

    each("an edit", lambda id_: index.upsert([(id_, vector)]), range(1, EDITS))
    each("an addition", lambda id_: index.upsert([(id_, vector)]), range(number, number + EDITS))
    each("a removal", lambda id_: index.remove([id_]), range(1, EDITS))


def filtering(count: int) -> None:
    """Time the look-up of entries by a metadata value, which the base does, whatever the model."""
    with tempfile.TemporaryDirectory() as folder:
        base = filled(Path(folder) / "knowledge.db", count)
        for key, value, share in (("lang", "zh", "50 %"), ("shelf", 7, "1 %"), ("shelf", -1, "none")):
            times = [milliseconds(lambda: base.reads.ids_with({key: value}), 1) for _ in range(ROUNDS)]  # noqa: B023
            print(f"{f'{count} entries: metadata of {share}':<46} {float(np.median(times)):>10.2f} ms")
        base.close()


def filled(path: Path, count: int) -> Knowledge:
    base = Knowledge.open(path, min_chars=1, history_days=0, disk_mb=None)
    for at in range(0, count, _PART):
        entries = [
            wire.NewEntry(text=f"entry number {n}", metadata={"lang": ("en", "zh")[n % 2], "shelf": n % 100, "n": n})
            for n in range(at, min(at + _PART, count))
        ]
        given = {entry.text: np.ones(2, np.float32) for entry in entries}
        base.writes.add(entries, WriteContext(None, "bench", None, "bench", given, lambda _: (200, b"")))
    return base


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES
    faiss.omp_set_num_threads(1)
    print(f"{'':<46} {'index':>10} {'':>18} {'numpy':>10}")
    for dimension in DIMENSIONS:
        searches(count, dimension)
    filtering(count)


if __name__ == "__main__":
    main()
