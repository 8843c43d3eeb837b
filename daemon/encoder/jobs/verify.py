"""`python -m daemon.encoder.jobs.verify`: a tenant's model on disk, compared with its manifest and tried out."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import numpy as np

from daemon.core.config.tenant_config import TenantConfig
from daemon.core.encoder_protocol.job import Job
from daemon.core.encoder_protocol.model import Verified
from daemon.core.errors import StartRefused
from daemon.core.paths import TenantPaths
from daemon.encoder import models
from daemon.encoder.jobs.job import begin, end_with_lifeline, tell, telling_problems
from daemon.encoder.models import CANARIES, manifest, places
from daemon.encoder.models.manifest import Manifest
from daemon.encoder.models.places import ModelPlace

_ALIKE = 0.999  # one text alone and among others, in the lowest precision


def main() -> int:
    options, config = begin(Job.VERIFY, _add_options, on_terminal=True)
    end_with_lifeline()
    with telling_problems():
        tell(verify(config, TenantPaths(options.data, options.data, options.data), files_only=options.files_only))
    return 0


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--files-only", action="store_true")


def verify(tenant: TenantConfig, paths: TenantPaths, *, files_only: bool) -> Verified:
    """Compare the files with the manifest, and try the model out. Raises VecwardError where there is none."""
    config = tenant.encoder
    place = places.find(config, paths)
    known = manifest.read(place.folder)
    names = manifest.wanted(manifest.files_below(place.folder), pickled=config.trust_remote_code)
    problems = [] if known is None else compare(place, known, names)
    found = Verified(
        model=config.model,
        folder=str(place.folder),
        manifest=known is not None,
        commit=known.commit if known else None,
        files=len(names),
        bytes=sum((place.folder / name).stat().st_size for name in names),
        problems=problems,
    )
    return found if files_only or problems else found.model_copy(update=try_out(tenant, paths))


def compare(place: ModelPlace, known: Manifest, names: list[str]) -> list[str]:
    """Differences between the files and the manifest, in words."""
    problems = [f"{name} is not in the manifest" for name in names if name not in known.files]
    for name, file in sorted(known.files.items()):
        path = place.folder / name
        if not path.is_file():
            problems.append(f"{name} is missing")
        elif path.stat().st_size != file.size:
            problems.append(f"{name} has {path.stat().st_size} bytes instead of {file.size}")
        elif manifest.digest(path) != file.sha256:
            problems.append(f"{name} has another content than was fetched")
    return problems


def try_out(tenant: TenantConfig, paths: TenantPaths) -> dict[str, Any]:
    """Load the model and encode, on the CPU: the GPU may be the running encoder's. Fields of `Verified`."""
    config = tenant.encoder.model_copy(update={"device": "cpu"})
    try:
        backend = models.load(config, paths, tenant.limits)
    except StartRefused as refused:
        return {"problems": [refused.message]}
    started = time.perf_counter()
    alone = backend.encode_documents(CANARIES[:1]).vectors
    seconds = time.perf_counter() - started
    together = backend.encode_documents([*CANARIES, "a text of another length altogether"]).vectors
    problems = []
    if not np.isfinite(together).all() or not np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-3):
        problems.append("its vectors are not finite, or not of length 1")
    elif float(alone[0] @ together[0]) < _ALIKE:
        problems.append("a text's vector depends on the texts that are encoded with it")
    return {
        "dimension": backend.dimension,
        "fingerprint": backend.fingerprint,
        "encode_ms": round(seconds * 1000, 1),
        "problems": problems,
    }


if __name__ == "__main__":
    sys.exit(main())
