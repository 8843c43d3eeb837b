"""Entries and their changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from daemon.core.wire.base import Answer, Metadata, Request


class Entry(Answer):
    id: int
    text: str
    metadata: Metadata = {}
    created_at: datetime
    updated_at: datetime


class EntryPage(Answer):
    """A page of entries by id; `next` is the `after` of the following page, None on the last one."""

    entries: list[Entry]
    next: int | None = None
    total: int
    revision: int


class NewEntry(Request):
    text: str
    metadata: Metadata = {}


class AddEntries(Request):
    entries: list[NewEntry]


class SetTexts(Request):
    texts: list[str]


class EditEntry(Request):
    """An edit of one entry; what is not given stays."""

    text: str | None = None
    metadata: Metadata | None = None


class DeleteEntries(Request):
    ids: list[int]
    forget: bool = False


class Refused(Answer):
    """An entry that was not taken, with the reason.

    `line` counts from 1 in the request's list. `id` is the entry that a duplicate repeats, None where that one stands
    earlier in the same request.
    """

    line: int
    text: str
    kind: str
    reason: str
    id: int | None = None


class Added(Answer):
    """Ids of the new entries, and what was refused; `warnings` maps kinds to words, here and below."""

    added: list[int]
    refused: list[Refused] = []
    revision: int
    warnings: dict[str, str] = {}


class Edited(Entry):
    warnings: dict[str, str] = {}


class SetResult(Answer):
    added: int
    removed: int
    unchanged: int
    refused: list[Refused] = []
    revision: int
    warnings: dict[str, str] = {}


class Deleted(Answer):
    deleted: list[int]
    unknown: list[int] = []
    revision: int


class Change(Answer):
    """One committed change of a knowledge base."""

    revision: int
    at: datetime
    actor: str
    kind: str
    added: int = 0
    removed: int = 0
    edited: int = 0
    undone: bool = False
    details: list[dict[str, Any]] = []


class HistoryPage(Answer):
    changes: list[Change]
    next: int | None = None
