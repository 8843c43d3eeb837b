"""A model's files: those that make its vectors, their checksums, and the manifest that `vecward model fetch` writes."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from daemon.core.errors import StartRefused
from daemon.core.files.replace import replacing

log = logging.getLogger(__name__)

MANIFEST = "vecward-manifest.json"
_WEIGHTS = frozenset({".safetensors"})
PICKLED = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl"})
_TEXTS = frozenset({".json", ".txt", ".model", ".jinja", ".py"})
# The same weights for other libraries, and folders that tools keep beside a model.
_OTHER_FOLDERS = frozenset({"onnx", "openvino", "coreml", "original", "gguf", "__pycache__"})
# These say nothing about a document's vector; its prompt is in the fingerprint by itself.
_NO_MATTER = frozenset({"config_sentence_transformers.json", "generation_config.json", "data_config.json"})


class File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
    size: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Manifest(BaseModel):
    """The model that was fetched: `revision` as asked for (None: the default), `commit` as the hub named it."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    model: str
    revision: str | None = None
    commit: str | None = None
    files: dict[str, File]


def wanted(paths: Iterable[str], *, pickled: bool) -> list[str]:
    """Choose the files that loading a model reads; pickled weights only if asked for and where there are no others."""
    kept = [path for path in paths if _kind(path) in _WEIGHTS | _TEXTS]
    if pickled:
        safe = {PurePosixPath(path).parent for path in kept if _kind(path) in _WEIGHTS}
        kept += [path for path in paths if _kind(path) in PICKLED and PurePosixPath(path).parent not in safe]
    return sorted(kept)


def _kind(path: str) -> str:
    """Tell the suffix of a file that could matter, else nothing."""
    parts = PurePosixPath(path).parts
    if parts[-1] == MANIFEST or any(part in _OTHER_FOLDERS or part.startswith(".") for part in parts):
        return ""
    return PurePosixPath(path).suffix.lower()


def has_safe_weights(paths: Iterable[str]) -> bool:
    return any(_kind(path) in _WEIGHTS for path in paths)


def files_below(folder: Path) -> list[str]:
    """List paths relative to `folder`, links followed: a hub's cache consists of links."""
    found = []
    for where, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [str((Path(where) / name).relative_to(folder)) for name in names]
    return sorted(found)


def read(folder: Path) -> Manifest | None:
    """Read a folder's manifest; None: `vecward model fetch` did not make the folder. Raises StartRefused."""
    path = folder / MANIFEST
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise StartRefused(f"cannot use {folder}: {MANIFEST} in it is damaged; fetch the model again") from error


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def identity(sums: Mapping[str, str]) -> str:
    """Make one checksum of the files that make a document's vector, wherever they lie and however they came."""
    matter = {path: value for path, value in sums.items() if PurePosixPath(path).name not in _NO_MATTER}
    return hashlib.sha256("".join(f"{path} {matter[path]}\n" for path in sorted(matter)).encode()).hexdigest()


@dataclass
class Checksums:
    """Checksums of files, kept in `kept` by size and times, so that large weights are read once."""

    kept: Path
    _known: dict[str, tuple[list[int], str]] = field(default_factory=dict)

    def of(self, folder: Path, paths: Iterable[str]) -> dict[str, str]:
        self._known = self._load()
        before = dict(self._known)
        found = {path: self._sum(folder / path) for path in paths}
        if self._known != before:
            self._save()
        return found

    def _sum(self, path: Path) -> str:
        status = path.stat()
        stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
        known = self._known.get(str(path))
        if known is None or known[0] != stamp:
            known = self._known[str(path)] = (stamp, digest(path))
        return known[1]

    def _load(self) -> dict[str, tuple[list[int], str]]:
        try:
            return {path: (stamp, value) for path, (stamp, value) in json.loads(self.kept.read_bytes()).items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            log.warning("checksums-unreadable", extra={"path": str(self.kept), "reason": str(error)})
            return {}

    def _save(self) -> None:
        try:
            self.kept.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self.kept) as file:
                file.write(json.dumps(self._known).encode())
        except OSError as error:  # a start costs the reading again, no more
            log.warning("checksums-not-kept", extra={"path": str(self.kept), "reason": str(error)})
