"""Refusals with the way out: GPUs that are not there, and models that do not load.

The parts of CUDA that need a GPU are stubs here: they show what is asked of PyTorch, not that a GPU does it.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from daemon.core.config.tenant_config import LimitsConfig
from daemon.core.errors import StartRefused
from tests.support.models import copy_model, edit_json, load, needs_torch

torch = needs_torch()

from daemon.encoder.models.sentence_transformers import device as devices  # noqa: E402
from daemon.encoder.models.sentence_transformers import loading  # noqa: E402

GPU = "GPU-11111111-2222-3333-4444-555555555555"
NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="this host has a GPU")


# --- devices ------------------------------------------------------------------------------------------


@NO_GPU
@pytest.mark.parametrize("device", ["cuda:0", f"cuda:{GPU}"])
def test_a_gpu_that_is_not_there_is_never_the_cpu(qwen3: Path, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", GPU)
    with pytest.raises(StartRefused, match=rf"cannot use {device}: .*encoder\.device to cpu"):
        load(qwen3, device=device)


@NO_GPU
def test_auto_is_the_gpu_where_the_daemon_gave_one(qwen3: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", GPU)
    with pytest.raises(StartRefused, match="cannot use auto"):
        load(qwen3, device="auto")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert load(qwen3, device="auto").device == "cpu"


class StubCuda:
    """torch.cuda as far as `prepare` asks it."""

    OutOfMemoryError = torch.OutOfMemoryError

    def __init__(self, count: int = 1, uuid: str = GPU.removeprefix("GPU-"), memory_mb: int = 80_000) -> None:
        self.count = count
        self.fraction: float | None = None
        self.initialised = False
        self._properties = SimpleNamespace(name="NVIDIA Stub", uuid=uuid, total_memory=memory_mb << 20)

    def is_available(self) -> bool:
        return True

    def device_count(self) -> int:
        return self.count

    def init(self) -> None:
        self.initialised = True

    def get_device_properties(self, _: int) -> Any:
        return self._properties

    def set_per_process_memory_fraction(self, fraction: float, device: int) -> None:
        assert device == 0
        self.fraction = fraction


def prepare(stub: StubCuda, monkeypatch: pytest.MonkeyPatch, device: str = f"cuda:{GPU}", **limits: Any) -> Any:
    monkeypatch.setattr(torch, "cuda", stub)
    return devices.prepare(device, LimitsConfig(**limits))


def test_the_one_visible_gpu_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    stub = StubCuda()
    device = prepare(stub, monkeypatch)
    assert (str(device.torch), device.is_gpu, device.words) == ("cuda:0", True, f"NVIDIA Stub ({GPU})")
    assert stub.initialised
    assert stub.fraction is None


@pytest.mark.parametrize("count", [0, 2])
def test_more_or_less_than_one_visible_gpu_is_refused(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StartRefused, match=f"{count} GPUs are visible"):
        prepare(StubCuda(count), monkeypatch)


def test_another_gpu_than_the_named_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StartRefused, match="the GPU that is visible is GPU-9"):
        prepare(StubCuda(uuid="9"), monkeypatch)


def test_memory_is_bound_less_what_cuda_itself_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    stub = StubCuda(memory_mb=10_000)
    prepare(stub, monkeypatch, gpu_memory_mb=5_512)
    assert stub.fraction == pytest.approx(0.5)


@pytest.mark.parametrize(("limit", "words"), [(20_000, "it has 10000 MiB"), (500, "CUDA alone takes about 512")])
def test_a_limit_that_cannot_be_is_refused(limit: int, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StartRefused, match=words):
        prepare(StubCuda(memory_mb=10_000), monkeypatch, gpu_memory_mb=limit)


# --- models -------------------------------------------------------------------------------------------


def test_a_dimension_out_of_range_is_refused_with_the_range(qwen3: Path) -> None:
    with pytest.raises(StartRefused, match=r"encoder\.dimensions 65: .*allowed: 1 to 64"):
        load(qwen3, dimensions=65)


def test_more_tokens_than_positions_are_refused_with_the_range(qwen3: Path) -> None:
    with pytest.raises(StartRefused, match=r"encoder\.max_tokens 5000: .*allowed: 16 to 4096"):
        load(qwen3, max_tokens=5000)


def test_damaged_weights_are_refused(qwen3: Path, tmp_path: Path) -> None:
    broken = copy_model(qwen3, tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"\x00" * 100)
    with pytest.raises(StartRefused, match=r"cannot load the model broken from .*vecward model verify"):
        load(broken)


def test_missing_weights_are_refused(qwen3: Path, tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match="cannot load the model empty"):
        load(copy_model(qwen3, tmp_path / "empty", without=("model.safetensors",)))


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_damaged_configuration_is_refused(qwen3: Path, tmp_path: Path, content: str) -> None:
    broken = copy_model(qwen3, tmp_path / "broken")
    (broken / "config.json").write_text(content)
    with pytest.raises(StartRefused, match=r"config\.json.*fetch the model again"):
        load(broken)


def test_code_that_comes_with_a_model_is_refused(qwen3: Path, tmp_path: Path) -> None:
    custom = copy_model(qwen3, tmp_path / "custom")
    (custom / "modules.json").write_text('[{"idx": 0, "name": "0", "path": "", "type": "custom_module.Custom"}]')
    (custom / "custom_module.py").write_text("raise SystemExit('this code must not run')\n")
    with pytest.raises(StartRefused, match=r"encoder\.trust_remote_code: true"):
        load(custom)


class Bomb:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "1_Pooling/pytorch_model.bin", "model.pt", "training_args.bin"])
def test_a_pickle_in_the_model_folder_does_not_go_off(qwen3: Path, tmp_path: Path, name: str) -> None:
    mark = tmp_path / "boom"
    bomb = pickle.dumps(Bomb(mark))
    pickle.loads(bomb)  # noqa: S301  (the control: it does go off)
    mark.rmdir()
    planted = copy_model(qwen3, tmp_path / "planted", without=("model.safetensors",))
    (planted / name).parent.mkdir(exist_ok=True)
    (planted / name).write_bytes(bomb)
    with pytest.raises(StartRefused):
        load(planted)
    assert not mark.exists()


def test_an_attention_that_is_not_installed_is_refused(qwen3: Path) -> None:
    with pytest.raises(StartRefused, match=r"encoder\.attention to auto if flash_attention_2"):
        load(qwen3, attention="flash_attention_2", dtype="bfloat16")


def test_a_gpu_without_room_for_the_model_says_so(qwen3: Path) -> None:
    place = SimpleNamespace(name="big", folder=Path("/models/big"))
    config = SimpleNamespace(attention="auto")
    refused = loading._refused(place, config, torch.OutOfMemoryError("CUDA out of memory"))  # type: ignore[arg-type]
    assert "limits.gpu_memory_mb" in refused.message


def test_a_missing_library_is_named(qwen3: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sentence_transformers", None)
    with pytest.raises(StartRefused, match=r"sentence_transformers is missing.*vecward\[torch\]"):
        load(qwen3)


def test_files_that_are_not_those_fetched_are_refused(qwen3: Path, tmp_path: Path) -> None:
    from daemon.encoder.models import manifest

    model = copy_model(qwen3, tmp_path / "model")
    names = manifest.wanted(manifest.files_below(model), pickled=False)
    files = {name: {"size": (model / name).stat().st_size, "sha256": manifest.digest(model / name)} for name in names}
    (model / manifest.MANIFEST).write_text("{}")
    edit_json(model / manifest.MANIFEST, model="x", files=files)
    assert load(model).fingerprint.split()[1].startswith("model@")
    edit_json(model / manifest.MANIFEST, files={**files, "config.json": {"size": 1, "sha256": "0" * 64}})
    with pytest.raises(StartRefused, match=r"config\.json is not the file that was fetched"):
        load(model)
