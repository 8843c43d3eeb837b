"""Places of a tenant's model, refusals about them, and the checksum that names it. Needs no PyTorch."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from daemon.core.config.tenant_config import EncoderConfig
from daemon.core.errors import StartRefused
from daemon.core.paths import TenantPaths
from daemon.encoder import models
from daemon.encoder.models import manifest, places
from daemon.encoder.models.presets import QWEN3_EMBEDDING, instruct, preset_for

MODEL = "Qwen/Qwen3-Embedding-0.6B"


@pytest.fixture
def paths(tmp_path: Path) -> TenantPaths:
    return TenantPaths(tmp_path / "acme", tmp_path, tmp_path)


def settings(model: str = MODEL, **changes: Any) -> EncoderConfig:
    return EncoderConfig.model_validate({"backend": "sentence-transformers", "model": model, **changes})


def make(folder: Path, *names: str) -> Path:
    for name in names or ("config.json", "model.safetensors"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def test_a_missing_model_names_the_folder_and_the_command(paths: TenantPaths) -> None:
    with pytest.raises(StartRefused) as caught:
        models.load(settings(), paths)
    assert str(paths.models / MODEL) in caught.value.message
    assert "`vecward model fetch acme`" in caught.value.message
    with pytest.raises(StartRefused, match="at revision v2"):
        places.find(settings(revision="v2"), paths)


def test_a_fetched_model_is_found_by_id_and_revision(paths: TenantPaths) -> None:
    make(paths.models / MODEL)
    make(paths.models / f"{MODEL}@v2")
    assert places.find(settings(), paths) == places.ModelPlace(paths.models / MODEL, MODEL)
    assert places.find(settings(revision="v2"), paths).folder == paths.models / f"{MODEL}@v2"
    make(paths.models / "own-model")
    assert places.find(settings("own-model"), paths).folder == paths.models / "own-model"


def test_a_copied_hub_cache_is_found(paths: TenantPaths) -> None:
    repository = paths.hf_cache / "hub" / "models--Qwen--Qwen3-Embedding-0.6B"
    snapshot = make(repository / "snapshots" / "abc123")
    make(repository / "refs", "main")
    (repository / "refs" / "main").write_text("abc123")
    assert places.find(settings(), paths).folder == snapshot
    assert places.find(settings(revision="abc123"), paths).folder == snapshot
    with pytest.raises(StartRefused, match="cannot find the model"):
        places.find(settings(revision="other"), paths)


def test_a_folder_is_used_where_it_is(paths: TenantPaths, tmp_path: Path) -> None:
    folder = make(tmp_path / "somewhere" / "minilm")
    assert places.find(settings(str(folder)), paths) == places.ModelPlace(folder, "minilm")
    with pytest.raises(StartRefused, match="a folder has no revisions"):
        places.find(settings(str(folder), revision="v2"), paths)
    with pytest.raises(StartRefused, match="there is no folder"):
        places.find(settings(str(tmp_path / "nowhere")), paths)


@pytest.mark.parametrize("model", ["../other/models/x", "a/../../b", "a/b/c", ".hidden", "a b", "x/..", "-x", "a//b"])
def test_an_id_leads_nowhere_else(model: str, paths: TenantPaths) -> None:
    with pytest.raises(StartRefused, match=r"cannot use .* as encoder\.model"):
        places.find(settings(model), paths)


@pytest.mark.parametrize("revision", ["../..", "a/b", "", "..", "@"])
def test_a_revision_leads_nowhere_else(revision: str, paths: TenantPaths) -> None:
    with pytest.raises(StartRefused, match=r"cannot use .* as encoder\.revision"):
        places.find(settings(revision=revision), paths)


@pytest.mark.parametrize(
    ("names", "refused"),
    [
        (("config.json", "pytorch_model.bin"), "pytorch_model.bin"),
        (("model.safetensors", "2_Dense/pytorch_model.bin"), "2_Dense/pytorch_model.bin"),
        (("model.safetensors", "pytorch_model.bin", "optimizer.pt"), None),
        (("model.safetensors", "onnx/weights.bin"), None),
        (("model-00001-of-00002.safetensors", "model.safetensors.index.json"), None),
    ],
)
def test_pickles_are_refused_unless_trusted(tmp_path: Path, names: tuple[str, ...], refused: str | None) -> None:
    place = places.ModelPlace(make(tmp_path / "model", *names), "model")
    places.refuse_pickles(place, trusted=True)
    if refused is None:
        places.refuse_pickles(place, trusted=False)
    else:
        with pytest.raises(StartRefused, match=rf"{refused} is a pickle.*trust_remote_code"):
            places.refuse_pickles(place, trusted=False)


# --- checksums ----------------------------------------------------------------------------------------


def test_checksums_are_kept_until_a_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make(tmp_path / "model")
    read: list[str] = []
    original = manifest.digest
    monkeypatch.setattr(manifest, "digest", lambda path: read.append(path.name) or original(path))
    checksums = manifest.Checksums(tmp_path / "kept" / "sums.json")
    names = manifest.files_below(folder)
    first = checksums.of(folder, names)
    assert first["config.json"] == hashlib.sha256(b"config.json").hexdigest()
    assert manifest.Checksums(tmp_path / "kept" / "sums.json").of(folder, names) == first
    assert read == names
    (folder / "config.json").write_text("other words")
    assert checksums.of(folder, names) != first
    assert read == [*names, "config.json"]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"a": 1}', b"\xff"])
def test_damaged_checksums_are_made_anew(tmp_path: Path, content: bytes) -> None:
    kept = tmp_path / "sums.json"
    kept.write_bytes(content)
    folder = make(tmp_path / "model")
    assert set(manifest.Checksums(kept).of(folder, ["config.json"])) == {"config.json"}
    assert json.loads(kept.read_bytes())


def test_the_identity_is_of_what_makes_a_document() -> None:
    sums = {"model.safetensors": "1", "config.json": "2", "config_sentence_transformers.json": "3"}
    same = {**sums, "config_sentence_transformers.json": "4"}
    assert manifest.identity(sums) == manifest.identity(same)
    assert manifest.identity(sums) != manifest.identity({**sums, "config.json": "9"})
    assert manifest.identity(sums) != manifest.identity({**sums, "vocab.txt": "9"})


def test_a_damaged_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / manifest.MANIFEST).write_text('{"model": "x", "files": {"a": {"size": -1, "sha256": "?"}}}')
    with pytest.raises(StartRefused, match="is damaged; fetch the model again"):
        manifest.read(tmp_path)


def test_what_other_libraries_read_is_not_wanted() -> None:
    paths = [
        *("README.md", "config.json", "model.safetensors", "pytorch_model.bin", "tf_model.h5", "onnx/model.onnx"),
        *("openvino/openvino_model.bin", "1_Pooling/config.json", ".gitattributes", "tokenizer.model"),
        manifest.MANIFEST,
    ]
    chosen = ["1_Pooling/config.json", "config.json", "model.safetensors", "tokenizer.model"]
    assert manifest.wanted(paths, pickled=False) == chosen
    assert manifest.wanted(paths, pickled=True) == chosen
    assert manifest.wanted(["config.json", "pytorch_model.bin"], pickled=True) == ["config.json", "pytorch_model.bin"]


# --- presets ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Qwen/Qwen3-Embedding-0.6B", "Qwen3-Embedding-8B-mirror", "qwen3-embedding-4b"])
def test_qwen3_is_known_by_its_name(name: str) -> None:
    assert preset_for(name, {"model_type": "qwen3"}, "lasttoken") is QWEN3_EMBEDDING
    assert preset_for(name, {"model_type": "qwen3_vl"}, "lasttoken") is None
    assert preset_for(name, {"model_type": "qwen3"}, "mean") is None


@pytest.mark.parametrize(("hidden", "layers"), [(1024, 28), (2560, 36), (4096, 36)])
def test_qwen3_is_known_by_its_size(hidden: int, layers: int) -> None:
    config = {"model_type": "qwen3", "hidden_size": hidden, "num_hidden_layers": layers}
    assert preset_for("model", config, None) is QWEN3_EMBEDDING
    assert preset_for("model", {**config, "num_hidden_layers": 12}, None) is None


def test_no_space_follows_query() -> None:
    assert instruct("Find it") == "Instruct: Find it\nQuery:"
