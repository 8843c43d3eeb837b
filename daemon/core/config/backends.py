"""The backends of an encoder: one row each, with all that the rest of the program knows about them.

A backend is a row here and a loader in `daemon/encoder/models/registry.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class GpuUse(StrEnum):
    """The ways in which a backend may be given a GPU."""

    NEVER = "never"
    IF_NAMED = "if named"  # not where `encoder.device` is `auto`
    POSSIBLE = "possible"


@dataclass(frozen=True)
class BackendFacts:
    """The facts of one backend, whatever the tenant.

    threshold: a score above this is a good one, unless the tenant's file says another.
    needs, owns: fields of the section `encoder` that it must have, and that no other backend may have.
    gpu: when it is given a GPU.
    fetched: its model is brought from a hub or a folder; the others come with their model and need no network.
    uses_torch: it computes with PyTorch's threads.
    extra: the extra of this package that installs its libraries.
    fingerprint: takes a fingerprint apart into `before`, `dimension` and `behind`, where vectors of a smaller dimension
        are the beginnings of those of a larger one; None where they are not.
    """

    threshold: float
    needs: Mapping[str, str]
    owns: tuple[str, ...] = ()
    gpu: GpuUse = GpuUse.NEVER
    fetched: bool = False
    uses_torch: bool = False
    extra: str = ""
    fingerprint: re.Pattern[str] | None = None

    def can_use_gpu(self, device: str) -> bool:
        """Tell whether it may be given a GPU, `device` being the tenant's `encoder.device`."""
        return self.gpu is GpuUse.POSSIBLE or (self.gpu is GpuUse.IF_NAMED and device != "auto")


BACKENDS: Mapping[str, BackendFacts] = {
    "use-multilingual": BackendFacts(threshold=0.3, needs={}),
    "sentence-transformers": BackendFacts(
        threshold=0.4,
        needs={"model": "a model id such as Qwen/Qwen3-Embedding-0.6B or a path"},
        gpu=GpuUse.POSSIBLE,
        fetched=True,
        uses_torch=True,
        extra="[torch]",
        fingerprint=re.compile(r"(?P<before>sentence-transformers .*) d(?P<dimension>\d+)(?P<behind> l2)"),
    ),
    # For tests: it computes nothing on the GPU that it is given.
    "fake": BackendFacts(threshold=0.3, needs={}, owns=("fake",), gpu=GpuUse.IF_NAMED),
}


def facts_of_fingerprint(fingerprint: str) -> BackendFacts | None:
    """Find the backend that made a fingerprint, which begins with its name."""
    return BACKENDS.get(fingerprint.partition(" ")[0])
