"""What the knowledge base takes and gives besides the wire models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from daemon.core import wire

Vector = npt.NDArray[np.float32]


class MissingVectors(Exception):
    """A change needs vectors that are neither given nor stored (a race, an undo after a model change)."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__(f"{len(texts)} texts have no vector")
        self.texts = texts


@dataclass(frozen=True)
class Checked:
    """`accepted` holds (line, normalised entry); lines count from 1 in the list that was checked."""

    accepted: list[tuple[int, wire.NewEntry]]
    refused: list[wire.Refused]


@dataclass(frozen=True)
class Diff:
    """What makes the base equal to a list of texts: normalised texts to add, ids to remove, ids that stay."""

    added: list[str]
    removed: list[int]
    unchanged: list[int]
    refused: list[wire.Refused]


@dataclass(frozen=True)
class Committed:
    """The outcome of a change, for its answer and for the index.

    `upserts` holds (id, vector) of every entry whose text is new or changed, vectors of shape (dimension,).
    `cut` counts new texts of which the model read the beginning alone. `replayed` is the stored (status, body) when
    the request id was known: nothing was applied now.
    """

    revision: int
    upserts: list[tuple[int, Vector]] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    added: list[int] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)
    forgotten: list[int] = field(default_factory=list)  # deleted earlier, now removed from the history too
    refused: list[wire.Refused] = field(default_factory=list)
    unchanged: int = 0
    cut: int = 0
    entry: wire.Entry | None = None
    change: wire.Change | None = None
    replayed: tuple[int, bytes] | None = None


@dataclass(frozen=True)
class WriteContext:
    """Who changes the base, under which condition, and how the answer reads.

    `answer` runs inside the transaction, so that the stored answer and the change are one; it must be quick
    and must not call the knowledge base. `kind` names the change in the history (default: the method's name).
    `operation` is the running operation as it stands after this change: stored with it, so that a killed import's
    result is what is in the base. It may be called more than once.
    """

    request_id: str | None
    actor: str
    if_match: int | None
    fingerprint: str
    vectors: Mapping[str, Vector]
    answer: Callable[[Committed], tuple[int, bytes]]
    kind: str | None = None
    operation: Callable[[Committed], wire.Operation] | None = None
    cut: int = 0


@dataclass(frozen=True)
class Row:
    """An entry as it is stored: metadata as JSON text, times in microseconds since 1970 (UTC)."""

    id: int
    text: str
    metadata: str
    created: int
    updated: int


@dataclass(frozen=True)
class Delta:
    """One entry's part in a change; `before` None: added, `after` None: removed."""

    before: Row | None
    after: Row | None

    @property
    def id(self) -> int:
        row = self.after or self.before
        assert row is not None
        return row.id

    @property
    def new_text(self) -> str | None:
        """The text that this change brings in, None if it brings none."""
        if self.after is None or (self.before is not None and self.before.text == self.after.text):
            return None
        return self.after.text

    def reverse(self) -> Delta:
        return Delta(self.after, self.before)
