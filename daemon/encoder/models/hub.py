"""The hub that models come from, through huggingface_hub; HF_ENDPOINT, HF_TOKEN and the proxies' variables hold."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from daemon.core.errors import Forbidden, NotFound, StartRefused, Unavailable, VecwardError
from daemon.encoder.models.places import full_id


@dataclass(frozen=True)
class Source:
    """The files that can be fetched: sizes by path, and checksums where the source has them."""

    sizes: Mapping[str, int]
    sums: Mapping[str, str]
    commit: str | None


def _prepare(notes: Path) -> None:
    """Set what the library reads when it is imported: online, its own notes in `notes`, bars on terminals alone."""
    os.environ["HF_HUB_OFFLINE"] = "0"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["HF_HOME"] = str(notes)
    if not sys.stderr.isatty():
        os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"


def look(model: str, revision: str | None, notes: Path) -> Source:
    """List the files that the hub has at that revision. Raises VecwardError."""
    _prepare(notes)
    try:
        from huggingface_hub import HfApi

        info = HfApi().model_info(full_id(model), revision=revision, files_metadata=True, timeout=30)
    except ImportError as error:
        raise StartRefused(
            f"cannot fetch: the Python package {error.name} is missing; install it with: pip install 'vecward[torch]'"
        ) from error
    except Exception as error:  # whatever the library and its HTTP client raise
        raise _refused(model, revision, error) from error
    siblings = info.siblings or []
    sizes = {one.rfilename: int(one.size or 0) for one in siblings}
    sums = {one.rfilename: str(one.lfs.sha256) for one in siblings if one.lfs is not None}
    return Source(sizes, sums, info.sha)


def download(model: str, commit: str, folder: Path, names: list[str]) -> None:
    """Download files into `folder`, from where an earlier attempt ended. Raises VecwardError."""
    from huggingface_hub import snapshot_download

    try:
        snapshot_download(
            full_id(model), revision=commit, local_dir=folder, allow_patterns=[escape(name) for name in names]
        )
    except Exception as error:
        raise _refused(model, commit, error) from error


def _refused(model: str, revision: str | None, error: Exception) -> VecwardError:
    kinds = {cls.__name__ for cls in type(error).__mro__}
    name = full_id(model)
    if "GatedRepoError" in kinds:
        return Forbidden(f"cannot fetch {name}: its owner must grant access first; set HF_TOKEN to a token that has it")
    if "RevisionNotFoundError" in kinds:
        return NotFound(f"cannot fetch {name}: it has no revision {revision} (encoder.revision)")
    if "RepositoryNotFoundError" in kinds:
        return NotFound(f"cannot fetch {name}: the hub has no such model, or shows it to others only (HF_TOKEN)")
    reason = " ".join(str(error).split())[:500] or type(error).__name__
    return Unavailable(
        f"cannot fetch {name} from {os.environ.get('HF_ENDPOINT') or 'the hub'}: {reason}; look at the network "
        "(HTTPS_PROXY, HF_ENDPOINT), or fetch it on another host and copy it with `vecward model fetch --from FOLDER`"
    )
