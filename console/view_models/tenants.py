"""From wire models to what is drawn: pure functions, tested without a browser. Nothing here is HTML."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from console.i18n import Language
from daemon.core import wire
from daemon.core.roles import Role

MAX_LINES = 500  # entries that a text field can still show well
LISTED = 30  # lines that a difference lists of each kind
LOG_CHARACTERS = 300  # of a line of a log


# --- tenants --------------------------------------------------------------------------------------


def title_of(tenant: wire.TenantView, language: Language) -> str:
    """The title in the user's language, else in the other one, else the name."""
    titles = [tenant.title.zh, tenant.title.en] if language == "zh" else [tenant.title.en, tenant.title.zh]
    return next((title for title in titles if title), tenant.name)


def tenant_choices(tenants: Iterable[wire.TenantView], language: Language) -> list[tuple[str, str]]:
    """(title, name) by title; the name is added where two have the same title."""
    titles = {tenant.name: title_of(tenant, language) for tenant in tenants}
    counts = Counter(titles.values())
    shown = {name: title if counts[title] == 1 else f"{title} ({name})" for name, title in titles.items()}
    return sorted(((title, name) for name, title in shown.items()), key=lambda choice: choice[0].casefold())


def may(tenant: wire.TenantView, role: Role) -> bool:
    """Whether it makes sense to draw what this role may do; the daemon decides when it is done."""
    try:
        return Role(tenant.role or Role.NOBODY).at_least(role)
    except ValueError:
        return False


# --- search ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Card:
    """`percent` is the bar's length; `strong`: the score is above the tenant's threshold."""

    rank: int
    id: int
    text: str
    metadata: tuple[tuple[str, str], ...]
    score: str
    percent: float
    strong: bool


@dataclass(frozen=True)
class Results:
    """`low`: there are results, and none is above the threshold. Times are in ms; `warnings` are kinds and words."""

    cards: tuple[Card, ...]
    low: bool
    threshold: str
    queue_ms: float
    encode_ms: float
    search_ms: float
    total_ms: float
    warnings: tuple[tuple[str, str], ...]


def results_of(found: wire.SearchResult, threshold: float, total_ms: float) -> Results:
    cards = tuple(_card(rank, hit, threshold) for rank, hit in enumerate(found.results, 1))
    timing = found.timing
    return Results(
        cards=cards,
        low=bool(cards) and not any(card.strong for card in cards),
        threshold=f"{threshold:g}",
        queue_ms=timing.queue_ms,
        encode_ms=timing.encode_ms,
        search_ms=timing.search_ms,
        total_ms=total_ms,
        warnings=tuple(found.warnings.items()),
    )


def _card(rank: int, hit: wire.Hit, threshold: float) -> Card:
    return Card(
        rank=rank,
        id=hit.id,
        text=hit.text,
        metadata=tuple((key, scalar_text(value)) for key, value in hit.metadata.items()),
        score=f"{hit.score:.4f}",
        percent=round(100 * min(1.0, max(0.0, hit.score)), 2),
        strong=hit.score > threshold,
    )


# --- knowledge as lines ---------------------------------------------------------------------------


@dataclass(frozen=True)
class RefusedLine:
    """`line` counts the lines of the text field from 1."""

    line: int
    text: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Difference:
    added: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int
    refused: tuple[RefusedLine, ...]

    @property
    def nothing(self) -> bool:
        return not (self.added or self.removed or self.refused)

    @property
    def saveable(self) -> bool:
        return bool(self.added or self.removed)


@dataclass(frozen=True)
class Typed:
    """The lines of the text field that are not blank, and where they stand in it (from 1)."""

    texts: tuple[str, ...]
    lines: tuple[int, ...]


def fits_lines(entries: Sequence[wire.Entry], total: int) -> bool:
    """Whether one entry a line can show this base: not too many, and none of several lines."""
    return total <= MAX_LINES and not has_multiline(entries)


def has_multiline(entries: Iterable[wire.Entry]) -> bool:
    return any("\n" in entry.text or "\r" in entry.text for entry in entries)


def typed_lines(typed: str) -> Typed:
    """Only line feeds end a line: an entry may hold the other characters that `splitlines` splits at."""
    lines = typed.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    kept = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    return Typed(tuple(text for _, text in kept), tuple(number for number, _ in kept))


def same_text(text: str) -> str:
    """The form in which two texts are the same entry (daemon/README.md, "HTTP API")."""
    return unicodedata.normalize("NFC", text).strip()


def difference(base: Sequence[str], typed: Typed, refused: Sequence[wire.Refused]) -> Difference:
    """What saving changes. `refused` counts lines of `typed.texts` from 1, as the daemon does."""
    turned_away = {one.line for one in refused}
    wanted = {same_text(text): text for index, text in enumerate(typed.texts, 1) if index not in turned_away}
    present = {same_text(text): text for text in base}
    return Difference(
        added=tuple(text for key, text in wanted.items() if key not in present),
        removed=tuple(text for key, text in present.items() if key not in wanted),
        unchanged=sum(key in present for key in wanted),
        refused=tuple(_refused_line(one, typed) for one in refused),
    )


def _refused_line(one: wire.Refused, typed: Typed) -> RefusedLine:
    known = 1 <= one.line <= len(typed.lines)
    return RefusedLine(typed.lines[one.line - 1] if known else one.line, one.text, one.kind, one.reason)


def merge(base: Sequence[str], mine: str, theirs: Sequence[str]) -> str:
    """My text with what others changed meanwhile: their new entries at the end, their deletions gone.

    A line that I have changed or added myself stays whatever the others did.
    """
    before, now = {same_text(text) for text in base}, {same_text(text) for text in theirs}
    deleted = before - now
    lines = [line for line in mine.split("\n") if same_text(line) not in deleted]
    have = {same_text(line) for line in lines}
    new = [text for text in theirs if same_text(text) not in before and same_text(text) not in have]
    while new and lines and not lines[-1].strip():
        lines.pop()
    return "\n".join([*lines, *new])


# --- metadata as lines ----------------------------------------------------------------------------


class BadMetadata(ValueError):
    """`line` of the field, from 1, is not `name: value`."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line} is not name: value")
        self.line = line


def scalar_text(value: wire.Scalar) -> str:
    """A metadata value as people read it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def metadata_text(metadata: wire.Metadata) -> str:
    """One `name: value` a line; `metadata_of` reads it back as it was."""
    return "\n".join(f"{key}: {_writable(value)}" for key, value in metadata.items())


def _writable(value: wire.Scalar) -> str:
    """Text that would be read back as something else is put into quotes."""
    if isinstance(value, str) and value == value.strip() and "\n" not in value and _value(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def metadata_of(text: str) -> wire.Metadata:
    """Numbers, true, false, null and quoted text are what they are in JSON, the rest is text. Raises BadMetadata."""
    found: wire.Metadata = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        name, colon, value = line.replace("：", ":", 1).partition(":") if ":" not in line else line.partition(":")
        if not colon or not name.strip():
            raise BadMetadata(number)
        found[name.strip()] = _value(value.strip())
    return found


def _value(text: str) -> wire.Scalar:
    try:
        value = json.loads(text, parse_constant=str)
    except ValueError:
        return text
    return value if isinstance(value, str | int | float | bool) or value is None else text


# --- vectors --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bar:
    """`percent` of half the width, to the right where `positive`."""

    index: int
    value: str
    percent: float
    positive: bool


@dataclass(frozen=True)
class VectorView:
    dimension: int
    norm: str
    fingerprint: str
    bars: tuple[Bar, ...]


def vector_view(vector: wire.Vector) -> VectorView:
    largest = max((abs(value) for value in vector.values), default=0.0) or 1.0
    bars = tuple(
        Bar(index, f"{value:+.4f}", round(100 * abs(value) / largest, 2), value >= 0)
        for index, value in enumerate(vector.values)
    )
    return VectorView(vector.dimension, f"{vector.norm:.4f}", vector.fingerprint, bars)


def one_line(text: str, limit: int = 80) -> str:
    """A text for a list: one line, cut."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


# --- status ---------------------------------------------------------------------------------------

_TONES = {"ready": "good", "parked": "calm", "stopped": "calm", "failed": "bad", "backoff": "bad"}


def tone(state: str) -> str:
    """The colour's meaning: good, calm, bad, or busy for everything on its way."""
    return _TONES.get(state, "busy")


def actions(tenant: wire.TenantView) -> tuple[str, ...]:
    """Which of start, restart and stop make sense now."""
    if tenant.state == "stopped":
        return ("start",)
    if tenant.state in ("failed", "parked"):
        return ("start", "stop")
    return ("restart",) if tenant.state == "stopping" else ("restart", "stop")


def log_text(raw: str) -> str:
    """A line of an encoder's log as people read it: what it printed, or the event and what belongs to it."""
    try:
        line = json.loads(raw)
    except ValueError:
        return one_line(raw, LOG_CHARACTERS)
    if not isinstance(line, dict):
        return one_line(raw, LOG_CHARACTERS)
    if line.get("event") == "stderr" and isinstance(line.get("text"), str):
        return one_line(line["text"], LOG_CHARACTERS)
    rest = (f"{key}={value}" for key, value in line.items() if key not in ("at", "level", "event", "tenant"))
    return one_line(" ".join([str(line.get("event", "")), *rest]), LOG_CHARACTERS)


def duration(seconds: float) -> tuple[str, int]:
    """The key of a unit and how many of it, coarse: `("unit.minutes", 5)`."""
    for unit, size in (("unit.days", 86_400), ("unit.hours", 3600), ("unit.minutes", 60)):
        if seconds >= 2 * size or (unit != "unit.days" and seconds >= size):
            return unit, int(seconds // size)
    return "unit.seconds", int(seconds)


def moment(at: datetime) -> str:
    """To the second, in UTC, as people read it."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def megabytes(value: float) -> str:
    """MiB as people read them; the units are binary, as everywhere in vecward."""
    return f"{value / 1024:.1f} GiB" if value >= 1024 else f"{value:.0f} MiB"
