"""Models on disk: what the job processes of `vecward model` tell, each in one message."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from daemon.core.wire import Answer


class Fetched(Answer):
    """A model in its place. `changed`: it was brought there just now; `commit` None: its source has none."""

    type: Literal["fetched"] = "fetched"
    model: str
    revision: str | None
    commit: str | None
    folder: str
    files: int
    bytes: int
    changed: bool


class Unchanged(Answer):
    """The source has the commit that is there already; nothing was fetched."""

    type: Literal["unchanged"] = "unchanged"
    commit: str


class Verified(Answer):
    """A model compared with its manifest, `problems` in words.

    `dimension`, `fingerprint` and `encode_ms` are there where a text was encoded.
    """

    type: Literal["verified"] = "verified"
    model: str | None
    folder: str
    manifest: bool
    commit: str | None
    files: int
    bytes: int
    dimension: int | None = None
    fingerprint: str | None = None
    encode_ms: float | None = None
    problems: list[str]


fetch: TypeAdapter[Fetched | Unchanged] = TypeAdapter(Annotated[Fetched | Unchanged, Field(discriminator="type")])
verify: TypeAdapter[Verified] = TypeAdapter(Verified)
