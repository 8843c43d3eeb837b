"""Base classes and limits of all models of the API."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from daemon.core.units import MIB

MAX_BODY_BYTES = 64 * MIB
MAX_QUERY_BYTES = 32 * 1024
MAX_ENTRY_BYTES = 64 * 1024
MAX_K = 1000
MAX_PAGE = 1000  # items of one page of a list
MAX_DIMS = 16384

Scalar = str | int | float | bool | None
Metadata = dict[str, Scalar]


class Request(BaseModel):
    """The base of requests: an unknown key is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Answer(BaseModel):
    """The base of answers: keys of a newer daemon are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")
