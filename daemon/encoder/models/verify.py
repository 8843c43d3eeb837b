"""`python -m daemon.encoder.models.verify`: a tenant's model on disk, compared with its manifest and tried out."""

from __future__ import annotations

import sys
import time

import numpy as np

from daemon.core.errors import StartRefused
from daemon.encoder import models
from daemon.encoder.models import CANARIES, manifest, places
from daemon.encoder.models.chores import Answer, Chore, run
from daemon.encoder.models.manifest import Manifest
from daemon.encoder.models.places import Place

_ALIKE = 0.999  # one text alone and among others, in the lowest precision


def verify(chore: Chore) -> Answer:
    """What was found, `problems` in words. Raises VecwardError when there is nothing to look at."""
    config = chore.config.encoder
    place = places.find(config, chore.paths)
    known = manifest.read(place.folder)
    names = manifest.wanted(manifest.files_below(place.folder), pickled=config.trust_remote_code)
    problems = [] if known is None else compare(place, known, names)
    answer: Answer = {
        "model": config.model, "folder": str(place.folder), "manifest": known is not None,
        "commit": known.commit if known else None, "files": len(names),
        "bytes": sum((place.folder / name).stat().st_size for name in names),
    }  # fmt: skip
    if chore.encode and not problems:
        found, problems = try_out(chore)
        answer |= found
    return {**answer, "problems": problems}


def compare(place: Place, known: Manifest, names: list[str]) -> list[str]:
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


def try_out(chore: Chore) -> tuple[Answer, list[str]]:
    """Loads the model and encodes, on the CPU: the GPU may be the running encoder's."""
    config = chore.config.encoder.model_copy(update={"device": "cpu"})
    try:
        backend = models.load(config, chore.paths, chore.config.limits)
    except StartRefused as refused:
        return {}, [refused.message]
    started = time.perf_counter()
    alone = backend.encode_documents(CANARIES[:1]).vectors
    seconds = time.perf_counter() - started
    together = backend.encode_documents([*CANARIES, "a text of another length altogether"]).vectors
    problems = []
    if not np.isfinite(together).all() or not np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-3):
        problems.append("its vectors are not finite, or not of length 1")
    elif float(alone[0] @ together[0]) < _ALIKE:
        problems.append("a text's vector depends on the texts that are encoded with it")
    found = {"dimension": backend.dimension, "fingerprint": backend.fingerprint, "encode_ms": round(seconds * 1000, 1)}
    return found, problems


if __name__ == "__main__":
    sys.exit(run("daemon.encoder.models.verify", verify))
