"""The output of commands, and the reading of command lines and files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from daemon.cli import texts
from daemon.cli.output import clean, duration
from daemon.core.errors import Invalid
from tests.support.cli import Vecward
from tests.support.http import answers
from tests.support.http.api_stub import Canned, Stub

T = "/v1/tenants/acme"
ESCAPE = "\x1b[31mred\x1b]0;title\x07"

ANY_CHARACTER = st.characters(codec=None, categories=["Cc", "Cf", "Cs", "Lo", "Zl", "Zp", "So", "Ll"])


@given(st.text(ANY_CHARACTER))
def test_clean_text_has_nothing_that_moves_or_turns(text: str) -> None:
    shown = clean(text)
    assert not any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in shown)
    assert not set(shown) & set("\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")
    shown.encode()


@pytest.mark.parametrize("text", ["苹果 是水果", "👨‍👩‍👧 family", "עברית", "x" * 1000, "né", "a\u00a0b"])
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, None), (0.04, "0.0 s"), (119, "119.0 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2 d")],
)
def test_duration(seconds: float | None, words: str | None) -> None:
    assert duration(seconds) == words


def test_lines_keep_their_numbers(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes("\ufeff a \r\n\t\n苹果\u2028x".encode())
    assert texts.read_lines(str(tmp_path / "f")) == {1: " a ", 3: "苹果\u2028x"}


def test_metadata_values_are_json_scalars_or_strings() -> None:
    pairs = ["a=1", "b=1.5", "c=true", "d=null", "e=x=y", "f=", "g=007", 'h="q"', "i=[1]", "键=值"]
    scalars = {"a": 1, "b": 1.5, "c": True, "d": None}
    strings = {"e": "x=y", "f": "", "g": "007", "h": '"q"', "i": "[1]", "键": "值"}
    assert texts.metadata(pairs) == scalars | strings
    assert texts.metadata(None) == {}


@pytest.mark.parametrize("pair", ["a", "=a", ""])
def test_metadata_needs_a_key_and_a_value(pair: str) -> None:
    with pytest.raises(typer.BadParameter):
        texts.metadata([pair])


def test_bytes_that_are_no_utf8() -> None:
    with pytest.raises(Invalid, match="not UTF-8"):
        texts.checked("a\udc80")


@pytest.mark.parametrize(
    ("command", "left_alone"),
    [
        (["--help"], ["rich", "pydantic", "asyncio", "yaml", "daemon.client"]),
        (["--socket", "/nonexistent", "search", "acme", "x", "--json"], ["rich", "fastapi", "yaml", "psutil"]),
    ],
)
def test_a_command_loads_only_what_it_needs(command: list[str], left_alone: list[str]) -> None:
    code = (
        "import sys, contextlib, io\nfrom daemon.cli import main\nsys.argv[1:] = " + repr(command) + "\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit): main()\n"
        f"print([m for m in {left_alone} if m in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.stdout == "[]\n", ended.stderr


# --- texts of tenants in the output of commands ---------------------------------------------------


def test_no_escape_sequence_or_markup_reaches_the_terminal(stub: Stub, root: Path, vecward: Vecward) -> None:
    text = f"[bold]x[/bold] :smile: {ESCAPE} \u202eabc\nnext"
    hit = {"id": 3, "text": text, "metadata": {ESCAPE: ESCAPE}, "score": 0.5}
    stub.answers[f"POST {T}/search"] = Canned({**answers.SEARCHED, "results": [hit]})
    stub.answers[f"GET {T}/entries"] = Canned({**answers.ENTRIES, "entries": [{**answers.ENTRY, "text": text}]})
    stub.answers[f"GET {T}/logs"] = Canned({"lines": [{**answers.LOG_LINE, "event": text}]})
    for arguments in (["search", "acme", "x"], ["entries", "list", "acme"], ["logs", "acme"]):
        ended = vecward("--root", root, *arguments)
        assert ended.code == 0
        assert "[bold]x[/bold] :smile: \\x1b[31mred" in ended.out
        assert "\\u202eabc\\nnext" in ended.out
        assert not set(ended.out) & {"\x1b", "\x07", "\u202e"}


def test_wide_characters_stay_in_their_columns(stub: Stub, root: Path, vecward: Vecward) -> None:
    hits = [{"id": i, "text": text, "metadata": {"k": "v"}, "score": 0.5} for i, text in enumerate(["苹果", "abcd"])]
    stub.answers[f"POST {T}/search"] = Canned({**answers.SEARCHED, "results": hits})
    _, first, second = vecward("--root", root, "search", "acme", "x").out.splitlines()
    assert first.index("k=v") == second.index("k=v") - 2  # two wide characters take four columns
