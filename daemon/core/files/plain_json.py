"""JSON for files and terminals: one line, in which nothing moves a cursor or turns the direction of writing.

JSON itself escapes controls below U+0020 alone; U+009B begins an escape sequence on some terminals too.
"""

from __future__ import annotations

import json
import re
from typing import Any

# Delete, the second block of controls, line and paragraph separators, marks that turn the direction, byte order mark.
# Joiners stay: emoji and scripts need them.
_HIDDEN = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def dumps(value: Any) -> str:
    """The value as JSON, in Unicode; what JSON does not know is written as its str()."""
    return written_out(json.dumps(value, ensure_ascii=False, default=str))


def written_out(text: str) -> str:
    """The same JSON, with such characters (they stand in strings only) as escapes."""
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
