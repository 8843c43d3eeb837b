"""`python -m daemon.encoder.jobs.fetch`: a tenant's model, brought from a hub or from a folder, checked and whole.

Everything is written below the tenant's models/: first into models/.fetching, where an interrupted download goes on
the next time, then moved to its place in one step, with a manifest of checksums.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from daemon.core.config.tenant_config import TenantConfig
from daemon.core.encoder_protocol.job import Job
from daemon.core.encoder_protocol.model import Fetched, Unchanged
from daemon.core.errors import Conflict, DiskFull, Forbidden, Invalid, Unavailable
from daemon.core.files import locks, replace
from daemon.core.paths import TenantPaths
from daemon.core.units import MIB
from daemon.encoder.jobs.job import begin, end_with_lifeline, tell, telling_problems
from daemon.encoder.models import hub, manifest, places
from daemon.encoder.models.hub import Source
from daemon.encoder.models.manifest import File, Manifest

_SPARE_MB = 64


def main() -> int:
    options, config = begin(Job.FETCH, _add_options, on_terminal=True)
    end_with_lifeline()
    paths = TenantPaths(options.data, options.data, options.data)
    with telling_problems():
        tell(fetch(Wanted(config, paths, options.source, options.have)))
    return 0


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="source", type=Path)
    parser.add_argument("--have", metavar="COMMIT")


@dataclass(frozen=True)
class Wanted:
    """The model that a tenant's configuration names.

    `source` is a folder to copy it from, else the hub; `have` is the commit that is there already.
    """

    config: TenantConfig
    paths: TenantPaths
    source: Path | None = None
    have: str | None = None


def fetch(wanted: Wanted) -> Fetched | Unchanged:
    """Bring the model to its place, unless it is there. Raises VecwardError, OSError."""
    config = wanted.config.encoder
    model = _id_of(wanted)
    home = places.fetched(config, wanted.paths)
    workshop = wanted.paths.models / ".fetching"
    with _alone(wanted.paths.models):
        source = _folder_source(wanted.source) if wanted.source else hub.look(model, config.revision, workshop)
        if wanted.have is not None and wanted.have == source.commit:
            return Unchanged(commit=wanted.have)
        names = _choose(model, source, pickled=config.trust_remote_code)
        if _is_there(home, source, names):
            return _answer(home, changed=False)
        staging = workshop / home.relative_to(wanted.paths.models).as_posix().replace("/", "--")
        _check_room(wanted, sum(source.sizes[name] for name in names), staging)
        staging.mkdir(parents=True, exist_ok=True)
        if wanted.source:
            _copy(wanted.source, staging, names)
        else:
            assert source.commit is not None
            hub.download(model, source.commit, staging, names)
        _finish(staging, home, source, names, model=model, revision=config.revision)
        shutil.rmtree(workshop)
    return _answer(home, changed=True)


def _id_of(wanted: Wanted) -> str:
    """The id of the model on the hub. Raises Invalid where nothing is to be fetched."""
    model = wanted.config.encoder.model
    if model is not None and not model.startswith("/"):
        return model
    why = "not set" if model is None else "a folder, which is used where it is"
    raise Invalid(
        f"cannot fetch for {wanted.paths.data.name}: its encoder.model is {why}; there is nothing to fetch",
        field="encoder.model",
        value=str(model),
        allowed="an id such as Qwen/Qwen3-Embedding-0.6B",
    )


@contextmanager
def _alone(models: Path) -> Iterator[None]:
    models.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = models / ".fetch.lock"
    held = locks.take(path)
    if isinstance(held, str):
        raise Conflict(f"cannot fetch: another fetch for this tenant runs (lock {path}); wait for it")
    try:
        yield
    finally:
        locks.release(held, path)


def _folder_source(folder: Path) -> Source:
    if not folder.is_dir():
        message = f"cannot fetch from {folder}: there is no such folder"
        raise Invalid(message, field="from", value=str(folder), allowed="a folder that holds a model")
    try:
        known = manifest.read(folder)
        sizes = {name: (folder / name).stat().st_size for name in manifest.files_below(folder)}
    except PermissionError as error:
        raise _unreadable(folder) from error
    if known is None:
        return Source(sizes, {}, None)
    return Source(sizes, {name: file.sha256 for name, file in known.files.items()}, known.commit)


def _choose(model: str, source: Source, *, pickled: bool) -> list[str]:
    names = manifest.wanted(source.sizes, pickled=pickled)
    if "config.json" not in names and "modules.json" not in names:
        message = f"cannot fetch {model}: there is no config.json and no modules.json: this is no model"
        raise Invalid(message, field="encoder.model", value=model, allowed="a model of sentence-transformers")
    weights = manifest.has_safe_weights(names) or any(Path(name).suffix in manifest.PICKLED for name in names)
    if not weights:
        raise Invalid(
            f"cannot fetch {model}: it has no weights in the safetensors format; take a model that has, or, if you "
            "trust whoever made it, set encoder.trust_remote_code: true to read pickled weights",
            field="encoder.model",
            value=model,
            allowed="a model with safetensors",
        )
    return names


def _is_there(home: Path, source: Source, names: list[str]) -> bool:
    known = manifest.read(home) if home.is_dir() else None
    if known is None or source.commit is None or known.commit != source.commit:
        return False
    return set(names) == set(known.files) and all(
        (home / name).is_file() and (home / name).stat().st_size == known.files[name].size for name in names
    )


def _check_room(wanted: Wanted, needed: int, staging: Path) -> None:
    needed = max(0, needed - _size(staging))
    free = shutil.disk_usage(wanted.paths.models).free
    if needed + _SPARE_MB * MIB > free:
        raise DiskFull(f"cannot fetch: {needed // MIB} MiB are needed and {free // MIB} MiB are free on this disk")
    limit = wanted.config.limits.disk_mb
    used = _size(wanted.paths.data)
    if limit is not None and used + needed > limit * MIB:
        raise DiskFull(
            f"cannot fetch: {needed // MIB} MiB more than the {used // MIB} MiB in use pass limits.disk_mb {limit}; "
            "raise the limit"
        )


def _size(folder: Path) -> int:
    found = 0
    for where, _, names in os.walk(folder):
        found += sum((Path(where) / name).lstat().st_size for name in names)
    return found


def _copy(folder: Path, staging: Path, names: list[str]) -> None:
    for name in names:
        (staging / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(folder / name, staging / name)
        except PermissionError as error:
            raise _unreadable(folder) from error


def _unreadable(folder: Path) -> Forbidden:
    return Forbidden(
        f"cannot read all of {folder} as the tenant's own Linux user; make it readable: chmod -R o+rX {folder}"
    )


def _finish(staging: Path, home: Path, source: Source, names: list[str], *, model: str, revision: str | None) -> None:
    """Check each file, write the manifest and move the whole to its place."""
    files = {name: _checked(staging, name, source) for name in names}
    for extra in set(manifest.files_below(staging)) - set(names):
        (staging / extra).unlink()
    shutil.rmtree(staging / ".cache", ignore_errors=True)  # the hub library's notes about the download
    made = Manifest(model=model, revision=revision, commit=source.commit, files=files)
    (staging / manifest.MANIFEST).write_text(made.model_dump_json(indent=1) + "\n")
    _put_on_disk(staging, [*names, manifest.MANIFEST])
    _exchange(staging, home)


def _put_on_disk(staging: Path, names: list[str]) -> None:
    """Make all files last over a power cut, before they have their place: a start does not compare checksums."""
    for name in names:
        replace.sync_file(staging / name)
    for folder in {(staging / name).parent for name in names}:
        replace.sync_folder(folder)


def _checked(staging: Path, name: str, source: Source) -> File:
    path = staging / name
    found = File(size=path.stat().st_size, sha256=manifest.digest(path))
    if found.size != source.sizes[name] or found.sha256 != source.sums.get(name, found.sha256):
        path.unlink()
        raise Unavailable(f"cannot use {name}: it arrived damaged and is deleted; run the command again")
    return found


def _exchange(staging: Path, home: Path) -> None:
    home.parent.mkdir(parents=True, exist_ok=True)
    old = staging.with_name(f"{staging.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if home.exists():
        home.rename(old)
    replace.rename(staging, home)
    shutil.rmtree(old, ignore_errors=True)


def _answer(home: Path, *, changed: bool) -> Fetched:
    known = manifest.read(home)
    assert known is not None
    return Fetched(
        model=known.model,
        revision=known.revision,
        commit=known.commit,
        folder=str(home),
        files=len(known.files),
        bytes=sum(file.size for file in known.files.values()),
        changed=changed,
    )


if __name__ == "__main__":
    sys.exit(main())
