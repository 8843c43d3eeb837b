"""The values that a knowledge base takes and gives, besides the wire models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from daemon.core import wire
from daemon.encoder.arrays import Vector

Reply = tuple[int, bytes]  # status and body of the answer to a change


class MissingVectors(Exception):
    """A change needs vectors that are neither given nor stored (a race, or an undo after a change of the model)."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__(f"{len(texts)} texts have no vector")
        self.texts = texts


@dataclass(frozen=True)
class Checked:
    """New entries that the base would take, as (line, normalised entry), and those that it refuses.

    Lines count from 1 in the list that was checked.
    """

    accepted: list[tuple[int, wire.NewEntry]]
    refused: list[wire.Refused]

    @property
    def texts(self) -> list[str]:
        return [entry.text for _, entry in self.accepted]


@dataclass(frozen=True)
class Diff:
    """The difference between the base and a list of texts: texts to add, ids to remove, ids that stay."""

    added: list[str]
    removed: list[int]
    unchanged: list[int]
    refused: list[wire.Refused]


@dataclass(frozen=True)
class Committed:
    """The outcome of a change, for its answer and for the index.

    `upserts` holds (id, vector) of every entry whose text is new or changed. `cut` counts new texts of which the model
    read the beginning alone. `answer` is stored with the change; `replayed`: it was stored by the same request before,
    and nothing was applied now.
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
    answer: Reply = (200, b"")
    replayed: bool = False


@dataclass(frozen=True)
class WriteContext:
    """The caller of a change, the condition that it sets, the new texts' vectors, and what is stored with the change.

    `answer` makes the answer and `operation` the running operation as it stands after this change. Both run inside the
    transaction, so that they are stored with the change or not at all: they must be quick, must not call the knowledge
    base, and may be called more than once. `kind` names the change in the history (default: the method's name).
    """

    request_id: str | None
    actor: str
    if_match: int | None
    fingerprint: str
    vectors: Mapping[str, Vector]
    answer: Callable[[Committed], Reply] | None = None
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
