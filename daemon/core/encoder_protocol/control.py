"""The control channel between daemon and encoder: one JSON object a packet (SOCK_SEQPACKET).

The encoder says `Warming`, then `Ready` or `Refused`; after that `Changed` whenever entries or revision
move. The daemon says `Stop`. The kernel adds the sender's pid (SCM_CREDENTIALS); what the packet itself
says is a tenant's word and is bounded and checked like any other input.
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
    """Sent first, and whenever there is progress; also tells the kernel-checked pid."""

    type: Literal["warming"] = "warming"
    step: Annotated[str, Field(max_length=64)]
    done: int = 0
    total: int | None = None


class Ready(_Message):
    type: Literal["ready"] = "ready"
    entries: int
    revision: int
    fingerprint: Annotated[str, Field(max_length=1024)]
    dimension: int
    device: Annotated[str, Field(max_length=128)]
    query_ms: float


class Changed(_Message):
    type: Literal["changed"] = "changed"
    entries: int
    revision: int


class Refused(_Message):
    """This start can't succeed; `reason` is for a person and says the way out."""

    type: Literal["refused"] = "refused"
    kind: Annotated[str, Field(max_length=64)]
    reason: Annotated[str, Field(max_length=4096)]


class Stop(_Message):
    type: Literal["stop"] = "stop"


FromEncoder = Annotated[Warming | Ready | Changed | Refused, Field(discriminator="type")]
from_encoder: TypeAdapter[FromEncoder] = TypeAdapter(FromEncoder)
