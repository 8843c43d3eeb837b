"""Texts as the base keeps them: their normal form, their hash, and the reasons to refuse one."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from datetime import UTC, datetime, timedelta

from daemon.core import wire
from daemon.core.errors import Invalid, TooLong, TooShort
from daemon.core.units import counted

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def normalise(text: str) -> str:
    """Bring a text into NFC, without white space around: texts whose normal forms are equal are one entry."""
    text = text.strip()
    return text if text.isascii() or unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


def digest(text: str) -> bytes:
    """The key of a normalised text's vector: 128 bits, so that no two texts of a base meet by chance."""
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def problem(text: str, min_chars: int) -> Invalid | None:
    """Find the reason why a normalised text can't be an entry, None if it can."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return _invalid("it holds half of a surrogate pair, which is no text", text.encode(errors="replace").decode())
    if size > wire.MAX_ENTRY_BYTES:
        allowed = f"at most {wire.MAX_ENTRY_BYTES} bytes"
        return TooLong(
            f"cannot accept an entry of {size} bytes: {allowed} are possible; split it",
            field="text",
            value=wire.shorten(text, 60),
            allowed=allowed,
        )
    if "\x00" in text:
        return _invalid("it holds a NUL character; remove it", text.replace("\x00", "␀"))
    if len(text) < min_chars:
        allowed = f"{counted(min_chars, 'character')} or more"
        return TooShort(
            f"cannot accept an entry of {counted(len(text), 'character')}: {allowed} are needed (knowledge.min_chars)",
            field="text",
            value=text,
            allowed=allowed,
        )
    return None


def _invalid(reason: str, shown: str) -> Invalid:
    return Invalid(
        f"cannot accept an entry: {reason}",
        field="text",
        value=wire.shorten(shown, 60),
        allowed="Unicode text",
    )


def dump_metadata(metadata: wire.Metadata) -> str:
    """Write metadata as it is stored. Raises Invalid, TooLong."""
    try:
        dumped = json.dumps(metadata, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        size = len(dumped.encode())
    except ValueError:
        raise Invalid(
            "cannot accept the metadata: it holds NaN, an infinite number or half of a surrogate pair",
            field="metadata",
            value="",
            allowed="texts, finite numbers, true, false, null",
        ) from None
    if size > wire.MAX_ENTRY_BYTES:
        allowed = f"at most {wire.MAX_ENTRY_BYTES} bytes"
        raise TooLong(
            f"cannot accept metadata of {size} bytes: {allowed} are possible",
            field="metadata",
            value="",
            allowed=allowed,
        )
    return dumped


def printable(text: str) -> str:
    """Shorten a text for an answer, and make it encodable, whatever was sent."""
    return wire.shorten(text.encode(errors="replace").decode())


def microseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def moment(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)


def now_us() -> int:
    return microseconds(datetime.now(UTC))
