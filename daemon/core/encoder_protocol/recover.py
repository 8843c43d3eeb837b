"""Recovery of a damaged knowledge base: what the job process tells."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from daemon.core.encoder_protocol.job import Step
from daemon.core.wire import Answer


class Recovered(Answer):
    """The operation's result: a new base is in the place of the damaged one, which is kept as `kept`.

    `expected` is the number of entries that the base should have; None: that is lost too.
    """

    type: Literal["recovered"] = "recovered"
    entries: int
    vectors: int
    expected: int | None
    revision: int
    damaged_pages: int
    problems: list[str]
    kept: str


class Salvaged(Answer):
    """The entries that are readable; they follow as the bytes of a backup."""

    type: Literal["salvaged"] = "salvaged"
    entries: int


recovery: TypeAdapter[Step | Recovered] = TypeAdapter(Annotated[Step | Recovered, Field(discriminator="type")])
salvage: TypeAdapter[Salvaged] = TypeAdapter(Salvaged)
