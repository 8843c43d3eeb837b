"""The protocol of job processes: bench, recovery, re-embedding, fetching and verifying a model.

A job process works on what is a tenant's, as the tenant's own Linux user, and ends by itself:

- its configuration is in a file descriptor (`--config-fd`), its other options are on the command line;
- standard output carries messages, one JSON object a line, each with its `type`: those of the job (see the modules
  beside this one), `Step` any number of times, or `Problem`, which is the last;
- a salvaged knowledge base (`recover.py`) follows its first message as bytes, to the end of standard output;
- standard error is its log;
- standard input is its lifeline: it ends when that is closed. The line `GO` is the only thing ever said on it.

A message is a tenant's word: bounded, and checked against the models here by `supervisor/process/job_process.py`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from daemon.core.wire import Answer

MAX_LINE_BYTES = 64 * 1024
MAX_LINES = 10_000
MAX_REASON_CHARS = 4096
GO = b"go\n"


class Job(StrEnum):
    """The jobs; each is a module of `daemon/encoder/jobs`."""

    BENCH = "bench"
    RECOVER = "recover"
    REEMBED = "reembed"
    FETCH = "fetch"
    VERIFY = "verify"

    @property
    def module(self) -> str:
        """The module that Python runs."""
        return f"daemon.encoder.jobs.{self.value}"


class Step(Answer):
    """The progress of the job."""

    type: Literal["step"] = "step"
    done: Annotated[int, Field(ge=0)]
    total: Annotated[int, Field(ge=0)]


class Problem(Answer):
    """The reason why the job can't be done, for a person; `kind` is that of an error in `core/errors.py`."""

    type: Literal["problem"] = "problem"
    kind: Annotated[str, Field(max_length=64)]
    reason: Annotated[str, Field(max_length=MAX_REASON_CHARS)]
