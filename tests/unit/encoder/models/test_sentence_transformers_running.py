"""Batches, memory and threads; and models that the library itself must read."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daemon.core.config.tenant_config import LimitsConfig
from daemon.core.errors import StartRefused, Unavailable
from tests.support.models import (
    HIDDEN,
    LONG,
    TEXTS,
    cosines,
    load,
    needs_torch,
)

torch = needs_torch()

from daemon.encoder.models.sentence_transformers import backend as module  # noqa: E402
from daemon.encoder.models.sentence_transformers import packed_linear, passes, running  # noqa: E402
from daemon.encoder.models.sentence_transformers.backend import SentenceTransformersBackend  # noqa: E402
from daemon.encoder.models.sentence_transformers.encoders import PlainEncoder, TokenEncoder  # noqa: E402


@pytest.fixture(scope="module")
def backend(qwen3: Path) -> SentenceTransformersBackend:
    return load(qwen3)


def test_what_was_measured_is_not_read_again(
    backend: SentenceTransformersBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = backend._encoder._tokens  # type: ignore[attr-defined]
    read: list[str] = []
    original = tokens.read
    monkeypatch.setattr(tokens, "read", lambda texts, side: read.extend(texts) or original(texts, side))
    lengths = backend.lengths(TEXTS)
    encoded = backend.encode_documents(TEXTS[:3])
    backend.encode_documents([*TEXTS[3:], "another"])
    backend.encode_queries(["a query"])
    assert read == [*TEXTS, "another", "a query"]
    assert encoded.tokens == sum(lengths[:3])
    assert tokens._kept_tokens == 0


def test_what_is_remembered_is_bounded(backend: SentenceTransformersBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("daemon.encoder.models.sentence_transformers.tokens._REMEMBERED_TOKENS", 20)
    tokens = backend._encoder._tokens  # type: ignore[attr-defined]
    texts = [f"text number {number}" for number in range(50)]
    backend.lengths(texts)
    assert tokens._kept_tokens <= 20
    assert backend.encode_documents(texts).vectors.shape == (50, HIDDEN)
    assert tokens._kept_tokens == 0


def test_running_out_of_gpu_memory_halves_the_batch(qwen3: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = load(qwen3)
    expected = backend.encode_documents(TEXTS * 4).vectors
    runner = backend._encoder._runner  # type: ignore[attr-defined]
    monkeypatch.setattr(runner, "_lanes", None)  # a GPU has none
    sizes: list[int] = []
    original = runner._call

    def small_gpu(rows: list[Any]) -> Any:
        sizes.append(len(rows))
        if len(rows) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(rows)

    monkeypatch.setattr(runner, "_call", small_gpu)
    np.testing.assert_allclose(backend.encode_documents(TEXTS * 4).vectors, expected, atol=1e-5)
    assert max(sizes) > 2
    before, sizes[:] = runner._most, []
    backend.encode_documents(TEXTS * 4)
    assert runner._most <= before < 16384
    assert sizes.count(1) + sizes.count(2) > len(sizes) / 2  # what was learnt is kept


def test_a_text_too_large_for_the_gpu_alone_is_refused(qwen3: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = load(qwen3)

    def no_gpu(_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    runner = backend._encoder._runner  # type: ignore[attr-defined]
    monkeypatch.setattr(runner, "_lanes", None)
    monkeypatch.setattr(runner, "_call", no_gpu)
    with pytest.raises(Unavailable, match=r"cannot encode a text of \d+ tokens: the GPU's memory"):
        backend.encode_documents(TEXTS)


def test_threads_follow_the_limit(qwen3: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    try:
        load(qwen3, LimitsConfig(cpus=0.5)).encode_documents(TEXTS)
        assert torch.get_num_threads() == 1
        runner = load(qwen3, LimitsConfig(cpus=1.5))._encoder._runner  # type: ignore[attr-defined]
        assert runner._threads == 2
        monkeypatch.setattr(runner, "_alone_up_to", 64)  # as where one thread was found faster for short calls
        used: list[int] = []
        runner._call.modules = [lambda features: used.append(torch.get_num_threads()) or features]
        for tokens in (64, 65, 10):
            with pytest.raises(KeyError, match="sentence_embedding"):
                runner.run([np.zeros(tokens, np.int32)])
        assert used == [1, 2, 1]
    finally:
        torch.set_num_threads(before)


def test_lanes_compute_the_same_each_on_one_thread(qwen3: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    try:
        faster_and_faster = itertools.count(100.0, -1.0)
        monkeypatch.setattr(running, "_seconds", lambda _: next(faster_and_faster))
        backend = load(qwen3, LimitsConfig(cpus=2))
        runner = backend._encoder._runner  # type: ignore[attr-defined]
        assert runner._lanes is not None
        seen: dict[int, tuple[int, set[str]]] = {}  # by module list: the threads' number, their names
        for way in runner._lanes._free:
            way.modules.insert(0, lambda features, way=way: _note(seen, way) or features)
        many = TEXTS * 5
        found = backend.encode_documents(many)
        assert {number for number, _ in seen.values()} == {1}
        assert {name.split("_")[0] for _, names in seen.values() for name in names} == {"lane"}
        assert len({id(way.modules[1]) for way in runner._lanes._free}) == 2, "modules of their own"
        monkeypatch.setattr(runner, "_lanes", None)
        expected = backend.encode_documents(many)
        np.testing.assert_allclose(found.vectors, expected.vectors, atol=1e-5)
        assert (found.truncated, found.tokens) == (expected.truncated, expected.tokens)
    finally:
        torch.set_num_threads(before)


def _note(seen: dict[int, tuple[int, set[str]]], way: Any) -> None:
    _, names = seen.get(id(way), (0, set()))
    seen[id(way)] = torch.get_num_threads(), names | {threading.current_thread().name}


def test_lanes_share_their_weights(qwen3: Path) -> None:
    backend = load(qwen3, LimitsConfig(cpus=1))
    runner = backend._encoder._runner  # type: ignore[attr-defined]
    assert runner._lanes is None, "one thread has nobody beside it"
    lanes = passes.Lanes(runner._call, runner._device, runner._shape, 2)
    try:
        one, other = (torch.nn.ModuleList(way.modules) for way in lanes._free)
        ours = torch.nn.ModuleList(runner._call.modules)
        places = [{parameter.data_ptr() for parameter in modules.parameters()} for modules in (one, other, ours)]
        assert places[0] == places[1] == places[2]
        assert not {id(module) for module in one.modules()} & {id(module) for module in other.modules()}
    finally:
        lanes.close()


@pytest.mark.parametrize("bias", [True, False])
def test_packed_layers_compute_the_same(bias: bool) -> None:
    assert_computes_the_same(torch.nn.Linear(48, 96, bias=bias), atol=1e-5)


def test_packed_bfloat16_layers_compute_the_same_or_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """oneDNN takes bfloat16 on processors with AVX-512 or AVX-NE-CONVERT alone; others keep PyTorch's layers."""
    monkeypatch.setattr(packed_linear, "_faster", lambda linear: packed_linear.PackedLinear(linear) is not None)
    linear = torch.nn.Linear(48, 96, dtype=torch.bfloat16)
    model = torch.nn.Sequential(linear)
    taken = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    assert packed_linear.pack(model) == int(taken)
    if taken:
        assert_computes_the_same(linear, atol=2e-2)
    else:
        assert model[0] is linear


def assert_computes_the_same(linear: Any, *, atol: float) -> None:
    packed = packed_linear.PackedLinear(linear)
    with torch.inference_mode():
        for shape in ((1, 48), (7, 48), (3, 5, 48)):
            x = torch.randn(shape, dtype=linear.weight.dtype)
            torch.testing.assert_close(packed(x), linear(x), atol=atol, rtol=0)


def test_layers_are_packed_only_where_that_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    for times, count in (([1.0, 0.5], 2), ([1.0, 1.0], 0)):
        model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 4))
        measured = iter(times)
        monkeypatch.setattr(packed_linear, "_best", lambda _, measured=measured: next(measured))
        assert packed_linear.pack(model) == count


def test_operators_that_changed_leave_the_model_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_: Any) -> Any:
        raise RuntimeError("no such operator")

    monkeypatch.setattr(packed_linear, "PackedLinear", gone)
    assert packed_linear.pack(torch.nn.Sequential(torch.nn.Linear(8, 8))) == 0


def test_the_librarys_own_reading_gives_the_same(qwen3: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = load(qwen3, max_tokens=32)
    monkeypatch.setattr(module, "reads_tokens", lambda *_: False)
    theirs = load(qwen3, max_tokens=32)
    assert (type(ours._encoder), type(theirs._encoder)) == (TokenEncoder, PlainEncoder)
    expected, found = ours.encode_documents([*TEXTS, LONG]), theirs.encode_documents([*TEXTS, LONG])
    assert cosines(expected.vectors, found.vectors).min() > 0.99999
    assert (expected.truncated, expected.tokens) == (found.truncated, found.tokens)
    expected, found = ours.encode_queries([*TEXTS, LONG]), theirs.encode_queries([*TEXTS, LONG])
    assert cosines(expected.vectors, found.vectors)[:-1].min() > 0.99999
    assert expected.truncated == found.truncated
    assert all(length > 0 for length in theirs.lengths(TEXTS))


def test_static_embeddings(tmp_path: Path, qwen3: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        static = StaticEmbedding(Tokenizer.from_file(str(qwen3 / "tokenizer.json")), embedding_dim=32)
    theirs = SentenceTransformer(modules=[static], device="cpu")
    theirs.save(str(tmp_path / "static"), create_model_card=False)
    backend = load(tmp_path / "static", dimensions=16)
    encoded = backend.encode_documents([*TEXTS, LONG])
    assert cosines(encoded.vectors, theirs.encode([*TEXTS, LONG], truncate_dim=16)).min() > 0.99999
    assert encoded.tokens > 100
    assert not encoded.truncated
    with pytest.raises(StartRefused, match="reads texts of any length"):
        load(tmp_path / "static", max_tokens=64)
