"""The control channel between daemon and encoder: one JSON object a packet (SOCK_SEQPACKET).

The encoder says `Warming`, then `Ready` or `Refused`; after that `Changed` whenever entries or revision change. The
daemon says `Stop`. The kernel adds the sender's pid (SCM_CREDENTIALS); the packet itself is a tenant's word, bounded
and checked like any other input.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

MAX_PACKET_BYTES = 16 * 1024
RE_EMBEDDING = "re-embedding"  # the step of `Warming` in which entries that are there get vectors of a new model
TRY_AGAIN_EXIT = 75  # EX_TEMPFAIL: what keeps it from starting (a full disk) passes
SELF_REFUSED_EXIT = 78  # EX_CONFIG (sysexits.h): this start can't succeed, do not retry


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Warming(_Message):
    """The start goes on: sent first, which tells the pid, and whenever there is progress."""

    type: Literal["warming"] = "warming"
    step: Annotated[str, Field(max_length=64)]
    done: int = 0
    total: int | None = None


class Ready(_Message):
    """The encoder answers; `query_ms` is the time that its first query took."""

    type: Literal["ready"] = "ready"
    entries: int
    revision: int
    fingerprint: Annotated[str, Field(max_length=1024)]
    dimension: int
    device: Annotated[str, Field(max_length=128)]
    query_ms: float


class Changed(_Message):
    """The knowledge base has changed."""

    type: Literal["changed"] = "changed"
    entries: int
    revision: int


class Refused(_Message):
    """The start can't succeed; `reason` is for a person and says the way out."""

    type: Literal["refused"] = "refused"
    kind: Annotated[str, Field(max_length=64)]
    reason: Annotated[str, Field(max_length=4096)]


class Stop(_Message):
    """The encoder is to finish what it does and end."""

    type: Literal["stop"] = "stop"


FromEncoder = Annotated[Warming | Ready | Changed | Refused, Field(discriminator="type")]
from_encoder: TypeAdapter[FromEncoder] = TypeAdapter(FromEncoder)
