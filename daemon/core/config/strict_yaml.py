"""A strict reader of YAML: no aliases, no repeated keys, and each value's line is kept for messages."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from daemon.core.errors import InvalidConfig
from daemon.core.files import plain_file
from daemon.core.units import MIB
from daemon.core.wire import shorten

MAX_FILE_BYTES = MIB
MAX_DEPTH = 20
_MERGE_TAG = "tag:yaml.org,2002:merge"

Location = tuple[str | int, ...]


@dataclass
class Document:
    """A file's mapping; `lines` has the line, from 1, of each value by its location, such as ("limits", "cpus")."""

    path: Path
    data: dict[str, Any]
    lines: dict[Location, int] = field(default_factory=dict)

    def line_of(self, location: Location) -> int:
        """Return the line of what stands there, else of the nearest thing around it, else 1."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location, 1)


def refuse(path: Path, line: int, name: str, value: object, allowed: str, problem: str) -> NoReturn:
    """Raise InvalidConfig about the field `name` in this line of a file."""
    raise InvalidConfig(
        f"cannot use {path}, line {line}: {name}: {problem}; allowed: {allowed}",
        file=str(path),
        line=line,
        field=name,
        value=shorten(value),
        allowed=allowed,
        problem=problem,
    )


def load(path: Path) -> Document:
    """Read a YAML file that holds a mapping; an empty file is an empty mapping. Raises InvalidConfig."""
    try:
        raw = plain_file.read_at_most(path, MAX_FILE_BYTES + 1)
    except OSError as error:
        refuse(path, 1, "file", error.strerror or "", "a readable file", f"cannot be read ({error.strerror})")
    return parse(raw, path)


def parse(raw: bytes, path: Path) -> Document:
    """Read the mapping from bytes that stand, or would stand, in the file `path`. Raises InvalidConfig."""
    if len(raw) > MAX_FILE_BYTES:
        refuse(path, 1, "file", f"{len(raw)} bytes or more", f"at most {MAX_FILE_BYTES} bytes", "is too large")
    try:
        text = raw.decode("utf-8")
        node = _compose(text, path)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        refuse(path, line, "file", raw[error.start : error.start + 4], "UTF-8 text", "is not UTF-8")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else 1
        hint = " (a tab? YAML indents with spaces)" if "'\\t'" in str(error.problem) else ""
        refuse(path, line, "syntax", error.problem or "", "YAML", f"{error.problem}{hint}")
    except yaml.YAMLError as error:
        refuse(path, 1, "syntax", str(error), "YAML text without control characters", "is not YAML")
    document = Document(path, {})
    if node is None:
        return document
    if not isinstance(node, yaml.MappingNode):
        refuse(path, _line(node), "file", node.value, "a mapping of fields", "is not a mapping")
    document.data = _mapping(node, (), document)
    return document


def _line(node: yaml.Node | yaml.Event) -> int:
    return node.start_mark.line + 1 if node.start_mark else 1


def _compose(text: str, path: Path) -> yaml.Node | None:
    """Build the tree of nodes once its depth is known: a deep one takes time by the square of it, and the stack."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            refuse(path, _line(event), "syntax", "…", f"at most {MAX_DEPTH} levels", "is nested too deep")
        if isinstance(event, yaml.AliasEvent):
            alias = f"*{event.anchor}"
            refuse(path, _line(event), alias, alias, "the value written out", "aliases are not allowed")
    return yaml.compose(text, Loader=yaml.SafeLoader)


def _mapping(node: yaml.MappingNode, at: Location, document: Document) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = _line(key_node)
        key = key_node.value
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == _MERGE_TAG:
            refuse(document.path, line, "key", key, "a plain name", "is not a plain name")
        name = ".".join(map(str, (*at, key)))
        if key in found:
            refuse(document.path, line, name, key, "each key once", "is given twice")
        document.lines[(*at, key)] = line
        found[key] = _value(value_node, (*at, key), document)
    return found


def _value(node: yaml.Node, at: Location, document: Document) -> Any:
    document.lines.setdefault(at, _line(node))
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, at, document)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*at, i), document) for i, item in enumerate(node.value)]
    try:
        return yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        name = ".".join(map(str, at))
        refuse(document.path, _line(node), name, node.value, "a plain YAML value", str(error))
