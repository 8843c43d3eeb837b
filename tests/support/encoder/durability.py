"""Writers that know what the base must hold, whatever is killed under them."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from daemon.client import Client
from daemon.core.errors import DaemonUnreachable, EncoderLost, TenantStarting
from daemon.core.wire import Change, NewEntry
from tests.support.daemons import RunningDaemon, wait_for

T = TypeVar("T")
Base = dict[int, str]  # texts by id

# The caller can't know whether it was done.
UNKNOWN = (DaemonUnreachable, EncoderLost, TenantStarting)
DEADLINE_S = 120.0


@dataclass
class Tally:
    """The counts of a writer; `revisions`: which kind of change was acknowledged under which revision."""

    acknowledged: int = 0
    unknown: int = 0
    done_though_unknown: int = 0
    lost: int = 0  # of the unknown ones: the daemon lived, and gave up on the encoder
    revisions: dict[int, str] = field(default_factory=dict)


class Writer:
    """Changes its own entries, told by their texts' first word; `alone` on its tenant it also replaces and undoes.

    `held` is what the base has of it. After a change whose outcome is not known it looks: the base must be as before
    or as after, and nothing else.
    """

    def __init__(self, daemon: RunningDaemon, tenant: str, name: str, seed: int, *, alone: bool) -> None:
        self.tenant = tenant
        self.name = name
        self.tally = Tally()
        self.held: Base = {}
        self._daemon = daemon
        self._alone = alone
        self._chance = random.Random(seed)  # noqa: S311 - a test's dice
        self._number = 0
        self._undoable: Base | None = None  # the base before the last change, where that can be taken back

    def run(self, stop: threading.Event) -> None:
        with self._daemon.client() as client:
            while not stop.is_set():
                self._one_change(client)
            assert self._look(client) == self.held

    # --- changes ---

    def _one_change(self, client: Client) -> None:
        kinds = ["add", "add", "add", "edit", "delete", "look"] if self.held else ["add"]
        if self._alone:
            kinds += ["set", "set", "undo"]
        getattr(self, f"_{self._chance.choice(kinds)}")(client)

    def _text(self) -> str:
        self._number += 1
        return f"{self.name} entry {self._number} " + "x" * self._chance.randrange(1, 120)

    def _add(self, client: Client) -> None:
        texts = [self._text() for _ in range(self._chance.choice([1, 1, 2, 12]))]
        after = set(self.held.values()) | set(texts)
        added = self._try(client, after, lambda: client.add(self.tenant, [NewEntry(text=text) for text in texts]))
        if added is None:
            return
        assert added.refused == [], "a write that was answered before was done again"
        assert len(added.added) == len(texts)
        self._done("add", added.revision, {**self.held, **dict(zip(added.added, texts, strict=True))})

    def _edit(self, client: Client) -> None:
        id_, text = self._chance.choice(list(self.held)), self._text()
        after = {**self.held, id_: text}
        edited = self._try(client, set(after.values()), lambda: client.edit(self.tenant, id_, text))
        if edited is not None:
            assert (edited.id, edited.text) == (id_, text)
            self._done("edit", None, after)

    def _delete(self, client: Client) -> None:
        ids = self._chance.sample(list(self.held), min(len(self.held), self._chance.choice([1, 1, 5])))
        after = {id_: text for id_, text in self.held.items() if id_ not in ids}
        forget = self._chance.random() < 0.2
        deleted = self._try(client, set(after.values()), lambda: client.delete(self.tenant, ids, forget))
        if deleted is not None:
            assert (sorted(deleted.deleted), deleted.unknown) == (sorted(ids), [])
            self._done("forget" if forget else "delete", deleted.revision, after)
            if forget:
                self._undoable = None

    def _set(self, client: Client) -> None:
        kept = [text for text in self.held.values() if self._chance.random() < 0.7]
        texts = [*kept, *(self._text() for _ in range(self._chance.choice([1, 3, 20])))]
        replaced = self._try(client, set(texts), lambda: client.set_texts(self.tenant, texts))
        if replaced is not None:
            assert (replaced.unchanged, replaced.refused) == (len(kept), [])
            assert (replaced.added, replaced.removed) == (len(texts) - len(kept), len(self.held) - len(kept))
            found = self._look(client)
            assert set(found.values()) == set(texts)
            self._done("set", replaced.revision, found)

    def _undo(self, client: Client) -> None:
        if self._undoable is None:
            return
        before = self._undoable
        undone = self._try(client, set(before.values()), lambda: client.undo(self.tenant))
        if undone is not None:
            self._done("undo", undone.revision, before)
            self._undoable = None  # what the change before this one did is not remembered here
            assert self._look(client) == before

    def _done(self, kind: str, revision: int | None, after: Base) -> None:
        self.tally.acknowledged += 1
        if revision is not None:
            assert revision not in self.tally.revisions, f"two changes were given revision {revision}"
            self.tally.revisions[revision] = kind
        self._undoable = self.held if self.held != after else None
        self.held = after

    def _try(self, client: Client, after: set[str], change: Callable[[], T]) -> T | None:
        """None: its outcome was not told, and is known now."""
        try:
            return change()
        except UNKNOWN as error:
            self.tally.unknown += 1
            self.tally.lost += isinstance(error, EncoderLost)
            found = self._look(client)
            texts, before = set(found.values()), set(self.held.values())
            assert len(texts) == len(found), "a text is there twice"
            assert texts in (before, after), f"{self.name}: neither before nor after: {texts ^ before} {texts ^ after}"
            self.tally.done_though_unknown += texts != before
            self._undoable = None
            self.held = found
            return None

    # --- looking ---

    def _look(self, client: Client) -> Base:
        """The base's entries of this writer, as soon as somebody answers; checks them where nothing is open."""
        return wait_for(lambda: self._answered(client), DEADLINE_S, f"an answer to {self.name}")[0]

    def _answered(self, client: Client) -> tuple[Base] | None:
        try:
            return (base_of(client, self.tenant, None if self._alone else f"{self.name} "),)
        except UNKNOWN:
            return None


def base_of(client: Client, tenant: str, q: str | None = None) -> Base:
    found: Base = {}
    after: int | None = 0
    while after is not None:
        page = client.entries(tenant, after=after, limit=1000, q=q)
        found |= {entry.id: entry.text for entry in page.entries}
        after = page.next
    return found


def history_of(client: Client, tenant: str) -> list[Change]:
    found: list[Change] = []
    after: int | None = None
    while True:
        page = client.history(tenant, after=after, limit=1000)
        found += page.changes
        if page.next is None:
            return found
        after = page.next


def check_history(changes: list[Change], revisions: dict[int, str]) -> None:
    """Each acknowledged change stands there under its revision, and no text came in twice."""
    kinds = {change.revision: change.kind for change in changes}
    assert sorted(kinds) == list(range(1, len(changes) + 1))
    assert {revision: kinds[revision] for revision in revisions} == revisions
    details = [detail for change in changes if change.kind != "undo" for detail in change.details]
    brought = [d["after"] for d in details if "after" in d and d["after"] != d.get("before")]
    assert len(brought) == len(set(brought)), "a text came in twice"
