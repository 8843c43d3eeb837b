"""`python -m daemon.encoder.jobs.reembed`: a changed model, tried out beside the tenant's encoder, then put to work.

It loads the new configuration's model and tells what that is. With `--survey` this is all; else it waits for the word
to go on and gives each entry a vector. Vectors that are stored stay when it is ended.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from daemon.core.config.tenant_config import TenantConfig
from daemon.core.encoder_protocol.job import Job, Step
from daemon.core.encoder_protocol.reembed import Done, Loaded
from daemon.core.paths import TenantPaths
from daemon.core.process_memory import resident_mb
from daemon.core.units import mib
from daemon.encoder.jobs.job import begin, end_with_lifeline, tell, telling_problems
from daemon.encoder.process.parent import limit_threads

if TYPE_CHECKING:
    from daemon.encoder.knowledge import Knowledge
    from daemon.encoder.models import Backend

_SAMPLE = 64
_NICE = 10  # searches of the encoder beside it come first
_ROUNDS = 5  # entries that came meanwhile; the last few are the start's affair


def main() -> int:
    options, config = begin(Job.REEMBED, lambda parser: parser.add_argument("--survey", action="store_true"))
    limit_threads(config)
    os.nice(_NICE)
    go = end_with_lifeline()
    with telling_problems():
        _run(TenantPaths(options.data, options.data, options.data), config, None if options.survey else go)
    return 0


def _run(paths: TenantPaths, config: TenantConfig, go: threading.Event | None) -> None:
    """Tell what the model is, and when `go` is set re-embed. Raises StartRefused, DiskFull."""
    from daemon.encoder import models
    from daemon.encoder.knowledge import Knowledge

    backend = models.load(config.encoder, paths, config.limits)
    backend.encode_queries(models.CANARIES)
    knowledge = None
    if paths.knowledge_db.exists():
        knowledge = Knowledge.open(
            paths.knowledge_db,
            min_chars=config.knowledge.min_chars,
            history_days=config.knowledge.history_days,
            disk_mb=config.limits.disk_mb,
            beside=True,
        )
    tell(_loaded(backend, knowledge))
    if go is None or knowledge is None:
        return
    go.wait()
    tell(_embed(backend, knowledge))
    knowledge.close()


def _loaded(backend: Backend, knowledge: Knowledge | None) -> Loaded:
    about = Loaded(
        fingerprint=backend.fingerprint,
        dimension=backend.dimension,
        device=backend.device,
        entries=0,
        missing=0,
        derivable=0,
        memory_mb=resident_mb() or 0,
        gpu_memory_mb=_gpu_memory_mb(),
    )
    return about if knowledge is None else about.model_copy(update=_about_base(backend, knowledge))


def _about_base(backend: Backend, knowledge: Knowledge) -> dict[str, Any]:
    from daemon.encoder.encoding import derive
    from daemon.encoder.knowledge.vectors.disk import disk_bytes

    rate = _rate(backend, knowledge)
    new = knowledge.vectors.count_without(backend.fingerprint)
    derivable = derive.count(knowledge, backend.fingerprint)
    return {
        "entries": knowledge.reads.total,
        "missing": new - derivable,
        "derivable": derivable,
        "texts_per_s": rate,
        "memory_mb": resident_mb() or 0,
        "gpu_memory_mb": _gpu_memory_mb(),
        "disk_mb": mib(disk_bytes(new, backend.dimension), 2),
        "room_mb": mib(knowledge.database.room(), 2),
        "old_mb": mib(knowledge.vectors.bytes_of_others(backend.fingerprint), 2),
    }


def _rate(backend: Backend, knowledge: Knowledge) -> float | None:
    """Texts a second, measured on the tenant's own that have no vector yet; None where all have one."""
    from daemon.encoder.encoding.missing import calls

    texts = sorted((text for _, text in knowledge.vectors.without(backend.fingerprint, 0, _SAMPLE)), key=len)
    if not texts:
        return None
    started = time.perf_counter()
    for _ in calls(backend, texts):
        pass
    return len(texts) / (time.perf_counter() - started)


def _embed(backend: Backend, knowledge: Knowledge) -> Done:
    from daemon.encoder.encoding import derive
    from daemon.encoder.encoding.missing import encode_missing

    def tell_step(done: int, total: int) -> None:
        tell(Step(done=done, total=total))

    derived = derive.derive(knowledge, backend.fingerprint, backend.dimension)
    encoded = 0
    for _ in range(_ROUNDS):
        count = encode_missing(knowledge, backend, tell_step)
        encoded += count
        if not count:
            break
    return Done(encoded=encoded, derived=derived)


def _gpu_memory_mb() -> float | None:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    return mib(float(torch.cuda.max_memory_reserved()))


if __name__ == "__main__":
    sys.exit(main())
