"""HTML as a reader sees it, and hostile text to put into it."""

from __future__ import annotations

from html.parser import HTMLParser

HOSTILE = "<script>x</script><img src=x onerror=x>\"'>&amp;</div> **b** ${1} {{v}} \x00\x1b[31m\x7f\u202eevil"


class Reader(HTMLParser):
    """Tags, attributes and text of a piece of HTML, which must be balanced."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("input", "meta", "link", "br"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def harmless(html: str) -> Reader:
    """Read HTML in which nothing hostile has become a tag, an attribute, a link or a control character."""
    found = Reader(html)
    assert not {"script", "img", "iframe", "object", "svg", "style"} & set(found.tags)
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert not [value for name, value in found.attributes if name == "href" and (value or "").startswith("java")]
    assert all(character.isprintable() or character in "\n\t" for character in found.text)
    return found
