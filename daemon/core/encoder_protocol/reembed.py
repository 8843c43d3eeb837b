"""A changed model: what the plan says beforehand, and the JSON lines in which the process that re-embeds tells it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from daemon.core.wire import Answer


class Loaded(Answer):
    """What a model is once it is loaded. `missing` entries are to be encoded, `derivable` ones only cut: they have a
    longer vector of the same model. Memory in MiB, of that process; `disk_mb` for the new vectors, of `room_mb` that
    are free; `old_mb` is what the vectors of other models take."""

    type: Literal["loaded"] = "loaded"
    fingerprint: Annotated[str, Field(max_length=1024)]
    dimension: int
    device: Annotated[str, Field(max_length=128)]
    entries: int
    missing: int
    derivable: int
    texts_per_s: float | None = None
    memory_mb: float
    gpu_memory_mb: float | None = None
    disk_mb: float = 0
    room_mb: float | None = None
    old_mb: float = 0


class Step(Answer):
    type: Literal["step"] = "step"
    done: int
    total: int


class Done(Answer):
    type: Literal["done"] = "done"
    encoded: int
    derived: int


class Problem(Answer):
    type: Literal["problem"] = "problem"
    reason: Annotated[str, Field(max_length=4096)]


Line = Annotated[Loaded | Step | Done | Problem, Field(discriminator="type")]
line: TypeAdapter[Line] = TypeAdapter(Line)


class FieldChange(Answer):
    """`effect`: daemon (applied at once), restart, re-embed (where the fingerprint really changes)."""

    field: str
    before: Any = None
    after: Any = None
    effect: Literal["daemon", "restart", "re-embed"]


class Plan(Answer):
    """What a changed file will do. `loaded` is the new model, tried out beside the old one; None where it was not
    necessary. `online`: whether the old vectors answer until all new ones are there; `obstacle`: why not.
    `estimated_s`: for the entries that must be encoded, at the rate that was measured."""

    tenant: str
    action: Literal["create", "change", "nothing"]
    changes: list[FieldChange] = []
    restart: bool = False
    reembed: bool = False
    online: bool | None = None
    obstacle: str | None = None
    loaded: Loaded | None = None
    estimated_s: float | None = None
    disk_mb: float | None = None
    notes: list[str] = []
