"""A changed model: the plan, and the messages of the job process that re-embeds."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from daemon.core.encoder_protocol.job import Step
from daemon.core.wire import Answer


class Loaded(Answer):
    """A model that is loaded, and what it would cost to use it.

    `missing` entries are to be encoded; `derivable` ones are only cut: they have a longer vector of the same model.
    Memory in MiB, of the job process; `disk_mb` for the new vectors, of `room_mb` that are free; the vectors of other
    models take `old_mb`.
    """

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


class Done(Answer):
    """The operation's result: entries that were encoded, and those whose vector was cut from a longer one."""

    type: Literal["done"] = "done"
    encoded: int
    derived: int


messages: TypeAdapter[Loaded | Step | Done] = TypeAdapter(Annotated[Loaded | Step | Done, Field(discriminator="type")])


class FieldChange(Answer):
    """A field of a changed file, and what the change costs.

    `effect`: daemon (applied at once), restart, or re-embed (where the fingerprint really changes).
    """

    field: str
    before: Any = None
    after: Any = None
    effect: Literal["daemon", "restart", "re-embed"]


class Plan(Answer):
    """The effects of a changed file.

    `loaded` is the new model, tried out beside the old one; None where that was not necessary. `online`: the old
    vectors answer until all new ones are there; `obstacle`: why they can't. `estimated_s` is for the entries that must
    be encoded, at the rate that was measured.
    """

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
