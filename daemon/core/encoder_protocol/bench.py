"""`vecward bench`: the request, the result, and the messages of the job process that measures."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, field_validator

from daemon.core.encoder_protocol.job import Step
from daemon.core.wire import Answer, Request

MAX_ENTRIES = 1_000_000
SIZES = (100, 1_000, 10_000)


class BenchRequest(Request):
    """The sizes of the bases, the length of a measurement and the clients at a time.

    `beside`: measure also where the tenant's own encoder holds the GPU; both share its memory then.
    """

    entries: Annotated[list[Annotated[int, Field(ge=1, le=MAX_ENTRIES)]], Field(min_length=1, max_length=8)] = list(
        SIZES
    )
    seconds: Annotated[float, Field(ge=0.1, le=600)] = 60.0
    clients: Annotated[int, Field(ge=1, le=128)] = 32
    beside: bool = False

    @field_validator("entries")
    @classmethod
    def _each_once(cls, entries: list[int]) -> list[int]:
        return sorted(set(entries))


class BenchRow(Answer):
    """Figures of one base.

    `start_s`: from the process's beginning to ready; `embed_s`: from entries that are sent to entries that are
    searchable; `alone_p50_ms`: the median of one client alone; the rest is of all clients together.
    """

    type: Literal["row"] = "row"
    entries: int
    start_s: float
    embed_s: float
    texts_per_s: float
    first_query_ms: float
    alone_p50_ms: float
    queries_per_s: float
    p50_ms: float
    p99_ms: float
    memory_mb: float | None = None


class BenchAbout(Answer):
    """The model that is measured. `own_texts` texts are the tenant's; the others are those again with a number."""

    type: Literal["about"] = "about"
    fingerprint: Annotated[str, Field(max_length=1024)]
    device: Annotated[str, Field(max_length=128)]
    dimension: int
    own_texts: int


class Bench(Answer):
    """The operation's result; `notes` say in words what else ran and what the figures leave out."""

    tenant: str
    about: BenchAbout
    clients: int
    seconds: float
    rows: list[BenchRow]
    notes: list[str] = []


messages: TypeAdapter[BenchAbout | BenchRow | Step] = TypeAdapter(
    Annotated[BenchAbout | BenchRow | Step, Field(discriminator="type")]
)
