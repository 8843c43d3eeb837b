"""Every message in both languages, none missing, none left over."""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

import console
from console.messages import LANGUAGES, MESSAGES, PARTS, words
from daemon.core.errors import all_kinds
from daemon.core.wire import DiskBound, Lacking, OperationState
from daemon.supervisor.states import State
from daemon.supervisor.tenants.shown.warnings import WarningKey

SOURCES = sorted(Path(console.__file__).parent.rglob("*.py"))


def _strings() -> Iterator[str]:
    """Every string in the console's code; the variable part of an f-string is `*`."""
    for path in SOURCES:
        if path.parent.name == "messages":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            elif isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "*" for part in node.values)
                yield "".join(str(part) for part in parts)


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_say_everything_with_the_same_placeholders() -> None:
    assert LANGUAGES == ("en", "zh")
    for key, (english, chinese) in MESSAGES.items():
        assert english, key
        assert chinese, key
        assert _fields(english) == _fields(chinese), key


def test_no_message_is_said_twice() -> None:
    assert sum(len(part.MESSAGES) for part in PARTS) == len(MESSAGES)


def test_no_message_is_left_over() -> None:
    used = set(_strings())
    prefixes = tuple(text[:-1] for text in used if text.endswith(".*"))
    assert [key for key in MESSAGES if key not in used and not key.startswith(prefixes)] == []


def test_no_message_is_missing() -> None:
    """Every string that looks like a key (a known first part, a dot, a word) is one."""
    parts = {key.partition(".")[0] for key in MESSAGES}
    looks = {
        text
        for text in _strings()
        if text.partition(".")[0] in parts and text.partition(".")[2].replace("_", "").replace("-", "").isalpha()
    }
    assert sorted(looks - set(MESSAGES)) == []


@pytest.mark.parametrize(
    ("prefix", "names"),
    [
        ("error", list(all_kinds())),
        ("state", [state.value for state in State]),
        ("operation", [state.value for state in OperationState]),
        ("isolation", ["strict", "process"]),
        ("lacking", list(get_args(Lacking))),
        ("disk", list(get_args(DiskBound))),
        ("warning", ["query-cut", "texts-cut", *(key.value for key in WarningKey)]),
        ("change", ["add", "set", "edit", "delete", "forget", "import", "seed", "restore", "undo"]),
        ("refused", ["duplicate", "too-short", "too-long"]),
        ("status", ["start", "stop", "restart"]),
        ("file", ["txt", "csv"]),
    ],
)
def test_everything_the_daemon_says_has_words(prefix: str, names: list[str]) -> None:
    assert [name for name in names if f"{prefix}.{name}" not in MESSAGES] == []


def test_placeholders_are_filled() -> None:
    assert words("en")("search.found", n=3) == "Results: 3"
    assert words("zh")("search.found", n=3) == "3 条结果"
    with pytest.raises(KeyError):
        words("en")("search.found")
