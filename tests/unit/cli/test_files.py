"""Imports and exports: formats, refused lines, files that can't be written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Vecward
from tests.support.http import answers
from tests.support.http.api_stub import Canned, Stub, problem

T = "/v1/tenants/acme"
ESCAPE = "\x1b[31mred\x1b]0;title\x07"


def import_answers(stub: Stub, state: str = "done", **result: Any) -> None:
    stub.answers[f"POST {T}/import"] = Canned(answers.operation(id="e-1", kind="import"), 202)
    ended = answers.operation(state, id="e-1", kind="import", result={"added": 2, "revision": 8, **result})
    stub.answers[f"GET {T}/operations/e-1/wait"] = Canned(ended)


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("a.txt", "text/plain"), ("a.CSV", "text/csv"), ("a.jsonl", "application/x-ndjson"), ("a.md", "text/plain")],
)
def test_import_knows_files_by_their_suffix(
    stub: Stub, root: Path, vecward: Vecward, tmp_path: Path, name: str, media_type: str
) -> None:
    import_answers(stub)
    (tmp_path / name).write_bytes(b"a\nb\n")
    ended = vecward("--root", root, "entries", "import", "acme", tmp_path / name, "--mode", "set")
    assert (ended.code, ended.out, ended.err) == (0, "added 2, refused 0; revision 8\n", "")
    assert stub.asked[0].headers["content-type"] == media_type
    assert (stub.asked[0].target, stub.asked[0].body) == (f"{T}/import?mode=set", b"a\nb\n")


def test_import_names_what_was_refused(stub: Stub, root: Path, vecward: Vecward) -> None:
    import_answers(stub, refused=[{"line": 2, "kind": "too-short", "reason": "5 characters at least"}], refused_total=3)
    ended = vecward("--root", root, "entries", "import", "acme", "-", stdin=b"a\n")
    assert ended.code == 1
    assert ended.err.splitlines() == [
        "vecward: too-short: line 2: 5 characters at least",
        "vecward: … and 2 more were refused",
    ]


def test_ctrl_c_cancels_an_import(stub: Stub, root: Path, vecward: Vecward, monkeypatch: pytest.MonkeyPatch) -> None:
    import_answers(stub)
    cancelled = answers.operation("cancelled", id="e-1", progress={"done": 512, "total": 1000})
    stub.answers[f"DELETE {T}/operations/e-1"] = Canned(cancelled)

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("daemon.cli.operations.wait", interrupt)
    ended = vecward("--root", root, "entries", "import", "acme", "-", stdin=b"a\n")
    assert ended.code == 130
    assert "the import was cancelled after 512 entries" in ended.err
    assert stub.asked[-1].method == "DELETE"


def test_an_export_is_the_bytes_that_came(stub: Stub, root: Path, vecward: Vecward, tmp_path: Path) -> None:
    stub.answers[f"GET {T}/export"] = Canned(["苹果\n".encode(), b"b\n"])
    assert vecward("--root", root, "entries", "export", "acme").out == "苹果\nb\n"
    file = tmp_path / "all.csv"
    assert vecward("--root", root, "entries", "export", "acme", "-o", file).code == 0
    assert file.read_text() == "苹果\nb\n"
    vecward("--root", root, "entries", "export", "acme", "--json")
    assert [asked.target.partition("=")[2] for asked in stub.asked] == ["txt", "csv", "jsonl"]


def test_an_export_that_was_refused_leaves_the_older_file(
    stub: Stub, root: Path, vecward: Vecward, tmp_path: Path
) -> None:
    stub.answers[f"GET {T}/export"] = Canned(problem("forbidden", "cannot export"), 403)
    file = tmp_path / "all.txt"
    file.write_text("older")
    assert vecward("--root", root, "entries", "export", "acme", "-o", file).code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["all.txt"]
    assert file.read_text() == "older"


def test_a_folder_that_is_not_there_to_export_to(stub: Stub, root: Path, vecward: Vecward, tmp_path: Path) -> None:
    ended = vecward("--root", root, "entries", "export", "acme", "-o", tmp_path / "none" / "x")
    assert ended.code == 1
    assert "vecward: invalid: cannot write" in ended.err
