"""The messages of the processes that `vecward doctor --gpu` starts: vectors judged, and the library's speed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from daemon.core.wire import Answer


class Encoded(Answer):
    """Cosines between vectors of the same texts made in two ways; 1 is the same direction.

    `least_alike_unrelated` is what two different texts have in common at most: near 1 the other figures prove nothing.
    """

    type: Literal["encoded"] = "encoded"
    device: str
    dtype: str
    dimension: int
    padding_side: str
    library_one_many: float
    ours_one_many: float
    ours_library: float
    ours_float32: float
    library_float32: float
    cut_alike: float
    unrelated_median: float
    swapped: float
    wrong_pooling: float
    load_s: float
    batch_tokens: int


class InProcess(Answer):
    """The speed of the same model with sentence-transformers alone.

    Queries are asked one after the other, their times in milliseconds; `bulk_…` is all texts in one call.
    """

    type: Literal["in-process"] = "in-process"
    queries_per_s: float
    p50_ms: float
    p99_ms: float
    bulk_texts_per_s: float
    bulk_queries_per_s: float
    texts: int
    gpu_memory_mb: float | None


class OutOfMemory(Answer):
    """A batch that the memory's bound can't hold: `halvings` of it, and whether its vectors came out right."""

    type: Literal["out-of-memory"] = "out-of-memory"
    limit_mb: int
    reserved_mb: float
    halvings: int
    alike: float


Judged = Annotated[Encoded | InProcess | OutOfMemory, Field(discriminator="type")]
from_judge: TypeAdapter[Judged] = TypeAdapter(Judged)
