"""Commands that change entries, and those that import and export them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Vecward
from tests.support.http import answers
from tests.support.http.api_stub import Canned, Stub

T = "/v1/tenants/acme"
ESCAPE = "\x1b[31mred\x1b]0;title\x07"


def test_the_bytes_of_a_query_must_be_utf8(stub: Stub, root: Path, vecward: Vecward) -> None:
    ended = vecward("--root", root, "search", "acme", "a\udcff")
    assert ended.code == 1
    assert "vecward: invalid: cannot use the text: it is not UTF-8" in ended.err


def test_add_names_what_was_refused_by_its_line_in_the_file(
    stub: Stub, root: Path, vecward: Vecward, tmp_path: Path
) -> None:
    refused = {"line": 3, "text": "b", "kind": "duplicate", "reason": "cannot add it: entry 3 has this text", "id": 3}
    stub.answers[f"POST {T}/entries"] = Canned({**answers.ADDED, "refused": [refused]}, 201)
    file = tmp_path / "entries.txt"
    file.write_bytes(b"\xef\xbb\xbfa\r\n\r\n  \nb\n")
    ended = vecward("--root", root, "entries", "add", "acme", "first", "--file", file, "--meta", "n=1", "--meta", "s=x")
    assert ended.code == 1
    assert "vecward: duplicate: line 4: cannot add it" in ended.err
    assert ended.out.startswith("added 2 entries: 3, 4")
    metadata = {"n": 1, "s": "x"}
    assert stub.asked[0].json == {"entries": [{"text": text, "metadata": metadata} for text in ("first", "a", "b")]}


def test_set_shows_the_difference_and_changes_just_that(stub: Stub, root: Path, vecward: Vecward) -> None:
    stub.answers[f"PUT {T}/entries"] = Canned(answers.PLAN)
    stub.answers[f"GET {T}/entries"] = Canned(answers.ENTRIES)
    ended = vecward("--root", root, "entries", "set", "acme", "-", "--yes", stdin="苹果\n".encode())
    assert ended.code == 0
    assert ended.err.splitlines() == [
        "- lost my password",
        "+ 苹果",
        "vecward: 1 to add, 1 to remove, 2 unchanged",
    ]
    dry, _, real = stub.asked
    assert dry.target.endswith("?dry_run=true")
    assert (real.target, real.headers["if-match"]) == (f"{T}/entries", '"7"')


def test_set_asks_and_nobody_there_to_answer_is_wrong_usage(stub: Stub, root: Path, vecward: Vecward) -> None:
    stub.answers[f"PUT {T}/entries"] = Canned(answers.PLAN)
    stub.answers[f"GET {T}/entries"] = Canned(answers.ENTRIES)
    ended = vecward("--root", root, "entries", "set", "acme", "-", stdin=b"a\n")
    assert ended.code == 2
    assert "--yes" in ended.err
    assert all("dry_run" in asked.target for asked in stub.asked if asked.method == "PUT")


@pytest.mark.parametrize("plan", [{**answers.PLAN, "added": 0, "removed": 0}, answers.PLAN])
def test_set_without_a_change_or_dry_changes_nothing(
    stub: Stub, root: Path, vecward: Vecward, plan: dict[str, Any]
) -> None:
    stub.answers[f"PUT {T}/entries"] = Canned(plan)
    stub.answers[f"GET {T}/entries"] = Canned(answers.ENTRIES)
    more = ["--dry-run"] if plan["added"] else []
    assert vecward("--root", root, "entries", "set", "acme", "-", "--json", *more, stdin=b"a\n").json == plan
    assert sum(asked.method == "PUT" for asked in stub.asked) == 1


def test_delete_names_what_it_did_not_find(stub: Stub, root: Path, vecward: Vecward) -> None:
    stub.answers[f"POST {T}/entries/delete"] = Canned({"deleted": [3], "unknown": [9], "revision": 8})
    ended = vecward("--root", root, "entries", "delete", "acme", "3", "9", "--forget")
    assert ended.code == 1
    assert "vecward: unknown-entry: cannot find entry 9" in ended.err
    assert stub.asked[0].json == {"ids": [3, 9], "forget": True}


def test_a_file_that_is_not_there(stub: Stub, root: Path, vecward: Vecward, tmp_path: Path) -> None:
    for arguments in (["add", "acme", "--file"], ["set", "acme"], ["import", "acme"]):
        ended = vecward("--root", root, "entries", *arguments, tmp_path / "none")
        assert ended.code == 1
        assert "vecward: invalid: cannot read" in ended.err


def test_a_file_that_is_not_utf8(stub: Stub, root: Path, vecward: Vecward) -> None:
    ended = vecward("--root", root, "entries", "set", "acme", "-", stdin=b"good\n\xff\xfe\n")
    assert (ended.code, stub.asked) == (1, [])
    assert "line 2 is not UTF-8" in ended.err
