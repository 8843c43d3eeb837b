"""The health question to a ready encoder: does the canary still get its vector, is the whole base in the index?

It goes straight to the encoder's socket, past the relay: it neither keeps an idle tenant from being parked nor counts
as a request for the hang watch. The answer comes from a tenant: it is bounded, parsed strictly, and may never come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from daemon.core.http.pool import Pool
from daemon.core.http.response import ConnectionLost
from daemon.core.units import counted

MAX_ANSWER_BYTES = 4096
LOWEST_COSINE = 0.999
_AGAIN_S = 0.5
_BUSY = 429


class CanaryAnswer(BaseModel):
    """The encoder's answer; `cosine` is the lowest of the canaries' vectors against those of the warm-up."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    cosine: float = Field(ge=-1.01, le=1.01, allow_inf_nan=False)
    entries_index: int = Field(ge=0)
    entries_base: int = Field(ge=0)


@dataclass(frozen=True)
class Found:
    """Faults in words, each None when all is well."""

    canary: str | None = None
    index: str | None = None


class _Failed(Exception):
    pass


class _Busy(Exception):
    """The encoder's queue is full, which is no fault."""


async def look(pool: Pool, moved: Callable[[], bool], within_s: float) -> Found | None:
    """Ask the question; None where the encoder is too busy to answer it.

    Args:
        moved: tells whether the encoder has made progress since the call of `look`.
        within_s: seconds for the answer; a long call of an import may take longer, and then `moved` is true.
    """
    try:
        answer = await _ask(pool, within_s)
        index = await _difference(pool, answer, within_s)
    except _Busy:
        return None
    except TimeoutError:
        return None if moved() else Found(f"no answer to the health check, and no progress, within {within_s:g} s")
    except _Failed as error:
        return Found(str(error))
    except (OSError, ConnectionLost) as error:
        return Found(f"the health check can't reach the encoder: {error}")
    if answer.cosine < LOWEST_COSINE:
        return Found(f"the same text gets another vector than at the start: cosine {answer.cosine:.4f}", index)
    return Found(None, index)


async def _ask(pool: Pool, within_s: float) -> CanaryAnswer:
    async with asyncio.timeout(within_s):
        response = await pool.send("GET", "/internal/health", [], b"")
        body = bytearray()
        try:
            async for chunk in response.chunks():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise _Failed(f"the encoder's answer to the health check has more than {MAX_ANSWER_BYTES} bytes")
        finally:
            await response.aclose()
    if response.status == _BUSY:
        raise _Busy
    if response.status != 200:
        raise _Failed(f"the encoder answered the health check with status {response.status}; see the tenant's log")
    try:
        return CanaryAnswer.model_validate_json(bytes(body))
    except ValidationError as error:
        raise _Failed("the encoder's answer to the health check can't be understood") from error


async def _difference(pool: Pool, first: CanaryAnswer, within_s: float) -> str | None:
    """Ask again before calling it a fault: a write just being made looks like one, a lost row stays one."""
    if first.entries_index == first.entries_base:
        return None
    await asyncio.sleep(_AGAIN_S)
    second = await _ask(pool, within_s)
    if second.entries_index == second.entries_base or second.entries_base != first.entries_base:
        return None
    held = counted(second.entries_index, "entry", "entries")
    return f"the index holds {held}, the base {second.entries_base}; restart the tenant"
