"""`vecward bench`: what is asked and answered, and the JSON lines in which the process in between tells figures."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, field_validator

from daemon.core.wire import Answer, Request

MAX_ENTRIES = 1_000_000
SIZES = (100, 1_000, 10_000)


class BenchRequest(Request):
    """`beside`: also where its own encoder holds the GPU; both share its memory then."""

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
    """One base. `start_s`: process to ready; `embed_s`: entries sent to searchable; `alone_p50_ms`: one client's
    median; the rest is of all clients together."""

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
    """`own_texts`: how many of the texts are the tenant's; the others are those again with a number."""

    type: Literal["about"] = "about"
    fingerprint: Annotated[str, Field(max_length=1024)]
    device: Annotated[str, Field(max_length=128)]
    dimension: int
    own_texts: int


class BenchStep(Answer):
    """The base that is measured now."""

    type: Literal["step"] = "step"
    done: int
    total: int
    entries: int


class BenchProblem(Answer):
    type: Literal["problem"] = "problem"
    reason: Annotated[str, Field(max_length=4096)]


class Bench(Answer):
    """The operation's result. `notes` say in words what else ran and what the figures leave out."""

    tenant: str
    about: BenchAbout
    clients: int
    seconds: float
    rows: list[BenchRow]
    notes: list[str] = []


Line = Annotated[BenchRow | BenchAbout | BenchStep | BenchProblem, Field(discriminator="type")]
line: TypeAdapter[Line] = TypeAdapter(Line)
