"""Recorded calls without a GPU: which one holds a batch, what is written into it, and that its memory is given back.

`replay` stands in for CUDA's: it computes the output from the input that was written. What CUDA itself records is
proved by `vecward doctor --gpu` (tests/gpu/reports).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.models import TEXTS, load, needs_torch

torch = needs_torch()

from daemon.encoder.models.sentence_transformers.graphs import Graphs, _Recorded, own_code  # noqa: E402
from daemon.encoder.models.sentence_transformers.passes import Shape  # noqa: E402

PAD = 9


class Replay:
    """Row sums of ids and mask, as a graph would leave them in its output."""

    def __init__(self, count: int, width: int) -> None:
        self.ids = torch.zeros((count, width), dtype=torch.int64)
        self.mask = torch.zeros((count, width), dtype=torch.int64)
        self.output = torch.zeros((count, 2))

    def replay(self) -> None:
        self.output[:, 0] = (self.ids * self.mask).sum(dim=1)
        self.output[:, 1] = self.mask.sum(dim=1)


def graphs(*shapes: tuple[int, int], pad_left: bool = True) -> tuple[Graphs, dict[tuple[int, int], Replay]]:
    made = Graphs.__new__(Graphs)
    made._shape = Shape(PAD, pad_left, 2)
    replays = {shape: Replay(*shape) for shape in shapes}
    made._recorded = {shape: _Recorded(each, each.ids, each.mask, each.output) for shape, each in replays.items()}
    return made, replays


def rows(*lengths: int) -> list[Any]:
    return [np.arange(1, length + 1, dtype=np.int32) for length in lengths]


@pytest.mark.parametrize("pad_left", [True, False])
def test_rows_are_padded_to_the_smallest_shape_that_holds_them(pad_left: bool):
    made, replays = graphs((4, 8), (2, 4), (1, 4), pad_left=pad_left)
    found = made.run(rows(3, 2))
    assert found is not None
    np.testing.assert_array_equal(found, [[6, 3], [3, 2]])
    used = replays[2, 4]
    assert used.ids[1].tolist() == ([PAD, PAD, 1, 2] if pad_left else [1, 2, PAD, PAD])
    assert not replays[4, 8].mask.any()


def test_a_row_that_is_missing_is_a_copy_and_is_not_answered():
    made, replays = graphs((4, 4))
    found = made.run(rows(2, 1))
    assert found is not None
    assert found.shape == (2, 2)
    assert replays[4, 4].mask.sum(dim=1).tolist() == [2, 1, 2, 2]  # none without a token: it would be not-a-number


def test_what_no_shape_holds_is_left_to_the_ordinary_call():
    made, _ = graphs((2, 4))
    assert made.run(rows(5)) is None
    assert made.run(rows(1, 1, 1)) is None


def test_a_model_with_code_of_its_own_is_not_recorded(qwen3: Path):
    """A recorded call plays kernels alone: what a model's Python decides at each call would be lost."""
    modules = load(qwen3)._encoder._runner._call.modules  # type: ignore[attr-defined]
    assert [type(module).__name__ for module in modules] == ["Transformer", "Pooling", "Normalize"]
    assert own_code([module for module in modules if type(module).__name__ != "Transformer"]) is None

    class Own(torch.nn.Module):  # type: ignore[misc, name-defined]
        pass

    assert (own_code([*modules[1:], torch.nn.Sequential(Own())]) or "").endswith("Own")
    made, _ = graphs()
    made._modules = [Own()]
    made.record(lambda _: pytest.fail("nothing is tried"))
    assert not made._recorded


def test_short_memory_is_first_taken_from_the_graphs(qwen3: Path, monkeypatch: pytest.MonkeyPatch):
    backend = load(qwen3)
    expected = backend.encode_documents(TEXTS).vectors
    runner = backend._encoder._runner  # type: ignore[attr-defined]
    made, _ = graphs((1, 1))
    monkeypatch.setattr(runner, "_lanes", None)
    monkeypatch.setattr(runner, "_graphs", made)
    most, original = runner._most, runner._call

    def small_gpu(batch: list[Any]) -> Any:
        if made._recorded:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(batch)

    monkeypatch.setattr(runner, "_call", small_gpu)
    np.testing.assert_allclose(backend.encode_documents(TEXTS).vectors, expected, atol=1e-5)
    assert not made._recorded
    assert runner._most == most  # the batch was not halved
    assert not made.drop()
