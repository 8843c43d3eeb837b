"""Import and export files."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core import errors, formats, wire
from daemon.encoder.knowledge import Knowledge, entry_files
from daemon.encoder.knowledge.columns import Column, quote_cell, unquote_cell
from tests.support.encoder.knowledge import add, open_base

NOW = datetime.now(UTC)


def _read(data: bytes | str, media_type: str) -> list[Any]:
    raw = data if isinstance(data, bytes) else data.encode()
    return [
        (item.line, item.reason) if isinstance(item, wire.Refused) else (item[0], item[1].text, item[1].metadata)
        for item in entry_files.read(io.BytesIO(raw), media_type)
    ]


def _written(name: formats.FormatName, pages: list[list[wire.Entry]], base: Knowledge | None = None) -> bytes:
    return b"".join(entry_files.write(pages, name, list if base is None else base.reads.columns))


def _entry(id_: int, text: str, metadata: wire.Metadata | None = None) -> wire.Entry:
    return wire.Entry(id=id_, text=text, metadata=metadata or {}, created_at=NOW, updated_at=NOW)


def test_each_format_of_the_table_has_a_reader_and_a_writer() -> None:
    assert list(entry_files.CODECS) == [row.name for row in formats.FORMATS]


@pytest.mark.parametrize("format", formats.FORMATS, ids=lambda row: row.name)
def test_what_a_format_writes_it_reads_by_each_of_its_media_types(format: formats.Format) -> None:
    texts = ["an entry", "第二个条目"]
    data = _written(format.name, [[_entry(id_, text) for id_, text in enumerate(texts, 1)]])
    for media_type in format.media_types:
        assert [item[1] for item in _read(data, media_type)] == texts


def test_text_with_a_mark_any_line_ends_and_blank_lines() -> None:
    data = "\ufeff第一行\r\n\r\n# not a comment\n  \nold mac\rline\nlast\u2028one".encode()
    assert _read(data, "text/plain; charset=utf-8") == [
        (1, "第一行", {}),
        (3, "# not a comment", {}),
        (5, "old mac", {}),
        (5, "line", {}),
        (6, "last\u2028one", {}),
    ]
    assert _read(b"", "text/plain") == []


def test_csv_columns_and_types() -> None:
    data = (
        "\ufeffid,text,price:float,count:int,ok:bool,any:json,note\r\n"
        'a1,"two\nlines, quoted ""so""",-1.5,3,TRUE,null,\r\n'
        "\r\n"
        "a2,plain,,,,,'=cmd\r\n"
        "a3,bad number,x,,,,\r\n"
        "a4,bad json,,,,[1],\r\n"
        "a5,too many,,,,,,8\r\n"
        "a6\r\n"
    )
    found = _read(data, "text/csv")
    assert found[:2] == [
        (2, 'two\nlines, quoted "so"', {"id": "a1", "price": -1.5, "count": 3, "ok": True, "any": None}),
        (5, "plain", {"id": "a2", "note": "=cmd"}),
    ]
    assert [line for line, *_ in found[2:]] == [6, 7, 8, 9]
    assert "price:float holds 'x'; allowed: a number" in found[2][1]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_delimiters(delimiter: str) -> None:
    data = f"text{delimiter}lang\nhello there{delimiter}en\n"
    assert _read(data, "text/csv") == [(2, "hello there", {"lang": "en"})]


@pytest.mark.parametrize("header", ["", "name,lang\n", "text,text\n", "text,a,a\n", "Text\n"])
def test_csv_needs_one_column_text(header: str) -> None:
    with pytest.raises(errors.Invalid) as caught:
        _read(header + "a,b\n", "text/csv") if header else _read("", "text/csv")
    assert caught.value.details["line"] == 1


def test_csv_with_a_quote_that_does_not_end_names_the_line() -> None:
    with pytest.raises(errors.Invalid, match="at line 4") as caught:
        _read('text\nfine\n"never\nends', "text/csv")
    assert caught.value.details["line"] == 4


def test_ndjson_lines() -> None:
    data = (
        '{"text":"one","metadata":{"a":1,"b":null}}\r\n\n'
        '{"text":"two","id":7,"created_at":"2026-01-01T00:00:00Z","updated_at":"x"}\n'
        '{"text":"three"\n'
        '{"texts":"four"}\n'
        '{"text":"five","metadata":{"a":[1]}}\n'
        "[1]\n"
    )
    found = _read(data, "application/x-ndjson")
    assert found[:2] == [(1, "one", {"a": 1, "b": None}), (3, "two", {})]
    assert [(line, reason.startswith(f"cannot read line {line}: ")) for line, reason in found[2:]] == [
        (line, True) for line in (4, 5, 6, 7)
    ]


@pytest.mark.parametrize("format", formats.FORMATS, ids=lambda row: row.name)
def test_files_that_are_not_utf_8_are_refused_with_the_line(format: formats.Format) -> None:
    good = _written(format.name, [[_entry(1, "an entry")]])
    line = good.count(b"\n") + 1
    with pytest.raises(errors.BadRequest, match=f"line {line}: byte 1 is not UTF-8") as caught:
        _read(good + "密码\n".encode("gb18030"), format.media_type)
    assert caught.value.details["line"] == line
    with pytest.raises(errors.BadRequest, match="UTF-16"):
        _read(good.decode().encode("utf-16"), format.media_type)


def test_an_endless_line_is_not_read_as_a_whole() -> None:
    with pytest.raises(errors.TooLong, match="line 2"):
        _read(b"text\n" + b"x" * 2_000_000, "text/plain")


def test_other_media_types_are_refused() -> None:
    with pytest.raises(errors.UnsupportedMediaType, match="text/csv"):
        entry_files.read(io.BytesIO(), "application/pdf")


def test_a_text_file_holds_one_line_for_each_entry() -> None:
    pages = [[_entry(1, "one"), _entry(2, "two\r\nlines\nhere")], [_entry(3, "three")]]
    assert _written("txt", pages) == b"one\ntwo lines here\nthree\n"


def test_formulas_are_quoted_in_csv() -> None:
    texts = ["=1+1", "+49 30", "-5", "@cmd", "\tx", "\rx", "'=already", "plain", "it's"]
    data = _written("csv", [[_entry(i, text) for i, text in enumerate(texts)]])
    cells = [row[1] for row in _read(data.replace(b"'", b"\x01"), "text/csv")]
    assert cells == [
        "\x01=1+1",
        "\x01+49 30",
        "\x01-5",
        "\x01@cmd",
        "\x01\tx",
        "\x01\rx",
        "\x01\x01=already",
        "plain",
        "it\x01s",
    ]
    assert [row[1] for row in _read(data, "text/csv")] == texts


@given(st.text(alphabet="'=+-@\t\ra", max_size=6))
def test_quoting_a_cell_is_taken_back_exactly(cell: str) -> None:
    assert unquote_cell(quote_cell(cell)) == cell
    assert not quote_cell(cell).startswith(("=", "+", "-", "@", "\t", "\r"))


@given(st.text(max_size=10), st.sampled_from(["str", "int", "float", "bool", "json"]))
def test_a_columns_header_names_key_and_type(key: str, type_: str) -> None:
    column = Column(key, type_)
    assert column.header != "text"
    if key:
        assert Column.parse(column.header) == column


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
    st.floats(allow_nan=False, allow_infinity=False),
)
KEYS = st.sampled_from(["a", "b", "text", "a:int", "ключ", "k,ey"])


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=12),
        st.dictionaries(KEYS, VALUES, max_size=4),
        max_size=6,
    ),
    st.sampled_from([formats.CSV, formats.JSONL]),
)
def test_an_export_imports_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, held: dict[str, wire.Metadata], format: formats.Format
) -> None:
    base = open_base(tmp_path_factory.mktemp("export") / "k.db")
    for text, metadata in held.items():
        add(base, text, metadata=metadata)
    page = base.reads.page(None, 100, None).entries
    data = _written(format.name, [page], base)
    base.close()
    assert [item[1:] for item in _read(data, format.media_type)] == [(entry.text, entry.metadata) for entry in page]


def _pages(count: int) -> Iterator[list[wire.Entry]]:
    for start in range(0, count, 1000):
        yield [_entry(i, f"entry {i}") for i in range(start, start + 1000)]


def test_exports_are_written_page_by_page() -> None:
    parts = entry_files.write(_pages(5000), "jsonl", list)
    assert next(parts).count(b"\n") == 1000
    assert sum(part.count(b"\n") for part in parts) == 4000
