"""The place of a tenant's model on this host. A missing model is refused with the command that brings it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from daemon.core.config.tenant_config import EncoderConfig
from daemon.core.errors import StartRefused
from daemon.core.paths import TenantPaths
from daemon.encoder.models import manifest

_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")
_REVISION = re.compile(r"[A-Za-z0-9][\w.-]{0,99}")
_DEFAULT_OWNER = "sentence-transformers"  # as that library completes a name without an owner


@dataclass(frozen=True)
class ModelPlace:
    """A model's folder; `name`, for people and fingerprints, is the model's id or the folder's name."""

    folder: Path
    name: str


def find(config: EncoderConfig, paths: TenantPaths) -> ModelPlace:
    """Find the model's files. Raises StartRefused."""
    model = config.model or ""
    if model.startswith("/"):
        return _folder(Path(model), config.revision)
    home = fetched(config, paths)
    if home.is_dir():
        return ModelPlace(home, model)
    cached = _in_hub_cache(full_id(model), config.revision, paths.hf_cache / "hub")
    if cached is not None:
        return ModelPlace(cached, model)
    at = f" at revision {config.revision}" if config.revision else ""
    raise StartRefused(
        f"cannot find the model {model}{at}: it is neither in {home} nor in {paths.hf_cache}; bring it with "
        f"`vecward model fetch {paths.data.name}`, or copy its files into that first folder",
        model=model,
        folder=str(home),
    )


def fetched(config: EncoderConfig, paths: TenantPaths) -> Path:
    """Name the folder where `vecward model fetch` puts a model: models/OWNER/NAME[@REVISION]. Raises StartRefused."""
    model, revision = config.model or "", config.revision
    if not _ID.fullmatch(model) or ".." in model:
        raise StartRefused(
            f"cannot use {model!r} as encoder.model: write an id such as Qwen/Qwen3-Embedding-0.6B, or the path of a "
            "folder beginning with /"
        )
    if revision is not None and (not _REVISION.fullmatch(revision) or ".." in revision):
        raise StartRefused(f"cannot use {revision!r} as encoder.revision: write a commit, a tag or a branch")
    return paths.models / (model if revision is None else f"{model}@{revision}")


def full_id(model: str) -> str:
    return model if "/" in model else f"{_DEFAULT_OWNER}/{model}"


def _folder(path: Path, revision: str | None) -> ModelPlace:
    if revision is not None:
        raise StartRefused(
            f"cannot use encoder.revision {revision} with the folder {path}: a folder has no revisions; remove it"
        )
    if not path.is_dir():
        raise StartRefused(f"cannot find the model: there is no folder {path} (encoder.model)", folder=str(path))
    return ModelPlace(path, path.name)


def _in_hub_cache(model: str, revision: str | None, cache: Path) -> Path | None:
    """Find a snapshot in a cache of huggingface_hub: models--OWNER--NAME/{refs/REVISION,snapshots/COMMIT}."""
    repository = cache / f"models--{model.replace('/', '--')}"
    reference = repository / "refs" / (revision or "main")
    commit = reference.read_text().strip() if reference.is_file() else revision
    if commit is None:
        return None
    folder = repository / "snapshots" / commit
    return folder if folder.is_dir() else None


def refuse_pickles(place: ModelPlace, *, trusted: bool) -> None:
    """Refuse weights in a format that runs code when it is read. Raises StartRefused."""
    paths = manifest.files_below(place.folder)
    pickles = [path for path in manifest.wanted(paths, pickled=True) if Path(path).suffix.lower() in manifest.PICKLED]
    if pickles and not trusted:
        raise StartRefused(
            f"cannot use {place.name}: {pickles[0]} is a pickle, which runs code when it is read; take a model with "
            "safetensors, or, if you trust whoever made it, set encoder.trust_remote_code: true",
            file=pickles[0],
        )
