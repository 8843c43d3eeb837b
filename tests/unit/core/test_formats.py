"""The table of file formats, and that no file of the product lists formats beside it."""

from __future__ import annotations

import ast
import typing
from pathlib import Path

import pytest

import daemon
from daemon.api import openapi
from daemon.core import formats

ROOT = Path(daemon.__file__ or "").parents[1]
CODE = [path for package in ("daemon", "console") for path in (ROOT / package).rglob("*.py")]


def test_the_type_of_names_is_the_table() -> None:
    assert typing.get_args(formats.FormatName) == tuple(row.name for row in formats.FORMATS)


def test_no_two_formats_share_a_name_suffix_or_media_type() -> None:
    for column in (
        [row.name for row in formats.FORMATS],
        [suffix for row in formats.FORMATS for suffix in row.suffixes],
        [media_type for row in formats.FORMATS for media_type in row.media_types],
    ):
        assert len(set(column)) == len(column)


@pytest.mark.parametrize("row", formats.FORMATS, ids=lambda row: row.name)
def test_a_format_is_found_by_name_suffix_and_content_type(row: formats.Format) -> None:
    assert formats.find(row.name) is formats.named(row.name) is row
    for suffix in row.suffixes:
        assert formats.of_file(f"some/entries.of{suffix.upper()}") is row
    for media_type in row.media_types:
        assert formats.of_content_type(f" {media_type.upper()}; charset=utf-8") is row


@pytest.mark.parametrize("name", ["", "pdf", "TXT", ".txt"])
def test_what_is_no_format(name: str) -> None:
    assert formats.find(name) is None
    assert formats.of_file(f"a.txt.{name}x") is None
    assert formats.of_content_type(f"x/{name}") is None


def test_openapi_documents_each_format() -> None:
    assert openapi.PARAMETERS["format"]["enum"] == [row.name for row in formats.FORMATS]


def test_no_other_file_lists_formats() -> None:
    """A list beside the table would miss the next format.

    The encoder's readers are tested against the table, and the console does without words for a format.
    """
    allowed = {"daemon/core/formats.py", "daemon/encoder/knowledge/entry_files.py", "console/messages/table.py"}
    found = {str(path.relative_to(ROOT)) for path in CODE if len(_formats_named_in(path)) > 1}
    assert found == allowed


def _formats_named_in(path: Path) -> set[str]:
    """The formats of which a file's strings hold the name, a suffix or a media type; text/plain is others' too."""
    words = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
    words.discard("text/plain")
    facts = {row.name: {row.name, f"file.{row.name}", *row.suffixes, *row.media_types} for row in formats.FORMATS}
    return {name for name, held in facts.items() if held & words}
