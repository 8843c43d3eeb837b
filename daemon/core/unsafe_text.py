"""Characters that move a cursor, hide text or turn the direction of writing, made visible as escapes."""

from __future__ import annotations

import re

# Both blocks of controls and delete, line and paragraph separators, marks that turn the direction, the byte order
# mark, and halves of surrogate pairs. Joiners are not among them: emoji and many scripts need them.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def escape(text: str) -> str:
    """Text in which each unsafe character is written out, such as \\x1b: one line for a terminal."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def escape_json(text: str) -> str:
    """JSON that means the same, with each unsafe character as \\u009b is written.

    JSON itself escapes the controls below U+0020 alone; U+009B begins an escape sequence on some terminals too. In
    one line of JSON such characters stand in strings only.
    """
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
