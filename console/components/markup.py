"""HTML, put together here alone: `gr.HTML` escapes nothing, so this does, always.

``el("p", "1 < 2", class_="note")`` gives ``<p class="note">1 &lt; 2</p>``. Text that is HTML already has the type
`Html`, markupsafe's, which only this module makes. Control characters are made visible on the way, and direction
overrides are named: neither may act or hide.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from markupsafe import Markup as Html
from markupsafe import escape

__all__ = ["Html", "el", "join", "link_target", "show_controls", "user_text"]

_VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})
_KEPT_CONTROLS = "\n\t"
_OVERRIDES = {0x202D: "⟨LRO⟩", 0x202E: "⟨RLO⟩"}  # they reverse the text after them, which only misleads

Child = str | int | None | Iterable["Child"]
Attribute = str | int | float | bool | None


def el(tag: str, /, *children: Child, **attributes: Attribute) -> Html:
    """Make an element. Attributes: `class_` is class, `data_key` is data-key, None and False are left out."""
    opening = f"<{tag}{''.join(_attribute(name, value) for name, value in attributes.items())}>"
    return Html(opening if tag in _VOID else f"{opening}{join(*children)}</{tag}>")  # noqa: S704


def join(*children: Child) -> Html:
    """Put parts one after the other; text among them is escaped."""
    return Html("").join(map(_child, children))


def user_text(text: str, tag: str = "div", **attributes: Attribute) -> Html:
    """Show text that somebody typed, in its own direction."""
    return el(tag, text, dir="auto", **attributes)


def show_controls(text: str) -> str:
    """Write control characters as the pictures that Unicode has for them (U+2400…), direction overrides by name."""
    return "".join(map(_picture, text))


def link_target(value: object) -> str | None:
    """Return an address that a browser may follow: http and https only, so that no script hides in a link."""
    if not isinstance(value, str):
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    plain = value.isprintable() and " " not in value
    return value if plain and parts.scheme in ("http", "https") and parts.netloc else None


def _attribute(name: str, value: Attribute) -> str:
    name = name.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(show_controls(str(value)))}"'


def _child(child: Child) -> Html:
    if child is None:
        return Html("")
    if isinstance(child, Html):
        return child
    if isinstance(child, str | int):
        return escape(show_controls(str(child)))
    return join(*child)


def _picture(character: str) -> str:
    code = ord(character)
    if code < 0x20 and character not in _KEPT_CONTROLS:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\N{SYMBOL FOR DELETE}"
    return "\N{REPLACEMENT CHARACTER}" if 0x80 <= code < 0xA0 else _OVERRIDES.get(code, character)
