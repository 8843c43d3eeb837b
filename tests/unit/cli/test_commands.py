"""Each command against a real server: what it asks, what it prints, how it ends."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import answers
from tests.support.api_stub import Asked, Stub, Told, problem, serving_in_thread
from tests.support.cli import Vecward

T = "/v1/tenants/acme"
ESCAPE = "\x1b[31mred\x1b]0;title\x07"

# Every command that prints what the API answers: arguments, route, answer.
SAME_AS_API: dict[str, tuple[list[str], str, Any]] = {
    "status": (["status"], "GET /v1/tenants", answers.TENANTS),
    "status one": (["status", "acme"], f"GET {T}", answers.TENANT),
    "search": (["search", "acme", "吃", "-k", "2", "--min-score", "-0.5"], f"POST {T}/search", answers.SEARCHED),
    "vector": (["vector", "acme", "吃", "--kind", "document"], f"POST {T}/vector", answers.VECTOR),
    "vector of entry": (["vector", "acme", "--id", "3"], f"GET {T}/entries/3/vector", answers.VECTOR),
    "logs": (["logs", "acme"], f"GET {T}/logs", {"lines": [answers.LOG_LINE]}),
    "events": (["events"], "GET /v1/events", {"events": [answers.EVENT], "next": 1}),
    "usage": (["usage"], "GET /v1/usage", answers.USAGE),
    "usage of one": (["usage", "acme"], f"GET {T}/usage", answers.USAGE),
    "openapi": (["openapi"], "GET /openapi.json", answers.OPENAPI),
    "start": (["start", "acme", "--no-wait"], f"POST {T}/start", answers.operation()),
    "stop": (["stop", "acme"], f"POST {T}/stop", answers.operation("done")),
    "restart": (["restart", "acme"], f"POST {T}/restart", answers.operation("done")),
    "park": (["park", "acme"], f"POST {T}/park", answers.operation("done")),
    "entries list": (["entries", "list", "acme", "-q", "a"], f"GET {T}/entries", answers.ENTRIES),
    "entries add": (["entries", "add", "acme", "a b"], f"POST {T}/entries", answers.ADDED),
    "entries edit": (["entries", "edit", "acme", "3", "x"], f"PATCH {T}/entries/3", answers.ENTRY),
    "entries delete": (["entries", "delete", "acme", "3"], f"POST {T}/entries/delete", {"deleted": [3], "revision": 8}),
    "entries import": (["entries", "import", "acme", "-", "--no-wait"], f"POST {T}/import", answers.operation()),
    "entries history": (["entries", "history", "acme"], f"GET {T}/history", {"changes": [answers.CHANGE], "next": 8}),
    "entries undo": (["entries", "undo", "acme"], f"POST {T}/undo", answers.CHANGE),
    "restore": (["restore", "acme", "-", "--no-wait"], f"POST {T}/restore", answers.operation()),
    "entries recover": (["entries", "recover", "acme"], f"POST {T}/recover", answers.operation("done")),
    "tenant list": (["tenant", "list"], "GET /v1/tenants", answers.TENANTS),
    "tenant plan": (["tenant", "plan", "-", "--tenant", "acme"], f"POST {T}/plan", answers.TENANT_PLAN),
    "tenant create": (["tenant", "create", "acme", "-"], f"PUT {T}", answers.TENANT),
}


@pytest.fixture
def stub() -> Iterator[Stub]:
    with (
        tempfile.TemporaryDirectory(prefix="vw-") as folder,
        serving_in_thread(Stub(Path(folder) / "run/daemon.sock")) as stub,
    ):
        stub.answers["GET /v1/info"] = Told(answers.INFO)
        yield stub


@pytest.fixture
def root(stub: Stub) -> Path:
    return stub.socket.parent.parent


@pytest.mark.parametrize("name", SAME_AS_API)
def test_json_is_the_apis_own(stub: Stub, root: Path, vecward: Vecward, name: str) -> None:
    arguments, route, answer = SAME_AS_API[name]
    stub.answers[route] = Told(answer)
    ended = vecward("--root", root, *arguments, "--json", stdin=b"{}")
    assert (ended.code, ended.err) == (0, "")
    assert ended.json == answer


@pytest.mark.parametrize("name", SAME_AS_API)
def test_words_for_people(stub: Stub, root: Path, vecward: Vecward, name: str) -> None:
    arguments, route, answer = SAME_AS_API[name]
    stub.answers[route] = Told(answer)
    ended = vecward("--root", root, *arguments, stdin=b"{}")
    assert ended.code == 0, ended.err
    assert ended.out


@pytest.mark.parametrize("name", SAME_AS_API)
def test_a_refusal_names_its_kind(stub: Stub, root: Path, vecward: Vecward, name: str) -> None:
    arguments, route, _ = SAME_AS_API[name]
    stub.answers[route] = Told(problem("tenant-failed", f"cannot search {ESCAPE}"), 503)
    ended = vecward("--root", root, *arguments, "--json", stdin=b"{}")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "vecward: tenant-failed: cannot search \\x1b[31mred\\x1b]0;title\\x07\n"


@pytest.mark.parametrize("name", SAME_AS_API)
def test_nobody_there(tmp_path: Path, vecward: Vecward, name: str) -> None:
    ended = vecward("--socket", tmp_path / "none", *SAME_AS_API[name][0], "--json", stdin=b"{}")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.startswith("vecward: daemon-unreachable: cannot reach the daemon")


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["search", "acme"],
        ["search", "acme", "x", "-k", "many"],
        ["vector", "acme"],
        ["vector", "acme", "x", "--id", "3"],
        ["entries", "add", "acme"],
        ["entries", "add", "acme", "x", "--meta", "novalue"],
        ["entries", "edit", "acme", "3"],
        ["entries", "export", "acme", "--format", "pdf"],
        ["tenant", "delete", "acme", "--purge"],
        ["up", "--port", "70000"],
    ],
)
def test_wrong_usage(vecward: Vecward, arguments: list[str]) -> None:
    ended = vecward("--socket", "/nonexistent", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err


# --- what a tenant typed is data ------------------------------------------------------------------


def test_no_escape_sequence_or_markup_reaches_the_terminal(stub: Stub, root: Path, vecward: Vecward) -> None:
    text = f"[bold]x[/bold] :smile: {ESCAPE} \u202eabc\nnext"
    hit = {"id": 3, "text": text, "metadata": {ESCAPE: ESCAPE}, "score": 0.5}
    stub.answers[f"POST {T}/search"] = Told({**answers.SEARCHED, "results": [hit]})
    stub.answers[f"GET {T}/entries"] = Told({**answers.ENTRIES, "entries": [{**answers.ENTRY, "text": text}]})
    stub.answers[f"GET {T}/logs"] = Told({"lines": [{**answers.LOG_LINE, "event": text}]})
    for arguments in (["search", "acme", "x"], ["entries", "list", "acme"], ["logs", "acme"]):
        ended = vecward("--root", root, *arguments)
        assert ended.code == 0
        assert "[bold]x[/bold] :smile: \\x1b[31mred" in ended.out
        assert "\\u202eabc\\nnext" in ended.out
        assert not set(ended.out) & {"\x1b", "\x07", "\u202e"}


def test_the_bytes_of_a_query_must_be_utf8(stub: Stub, root: Path, vecward: Vecward) -> None:
    ended = vecward("--root", root, "search", "acme", "a\udcff")
    assert ended.code == 1
    assert "vecward: invalid: cannot use the text: it is not UTF-8" in ended.err


def test_wide_characters_stay_in_their_columns(stub: Stub, root: Path, vecward: Vecward) -> None:
    hits = [{"id": i, "text": text, "metadata": {"k": "v"}, "score": 0.5} for i, text in enumerate(["苹果", "abcd"])]
    stub.answers[f"POST {T}/search"] = Told({**answers.SEARCHED, "results": hits})
    _, first, second = vecward("--root", root, "search", "acme", "x").out.splitlines()
    assert first.index("k=v") == second.index("k=v") - 2  # two wide characters take four columns


# --- changes --------------------------------------------------------------------------------------


def test_add_names_what_was_refused_by_its_line_in_the_file(
    stub: Stub, root: Path, vecward: Vecward, tmp_path: Path
) -> None:
    refused = {"line": 3, "text": "b", "kind": "duplicate", "reason": "cannot add it: entry 3 has this text", "id": 3}
    stub.answers[f"POST {T}/entries"] = Told({**answers.ADDED, "refused": [refused]}, 201)
    file = tmp_path / "entries.txt"
    file.write_bytes(b"\xef\xbb\xbfa\r\n\r\n  \nb\n")
    ended = vecward("--root", root, "entries", "add", "acme", "first", "--file", file, "--meta", "n=1", "--meta", "s=x")
    assert ended.code == 1
    assert "vecward: duplicate: line 4: cannot add it" in ended.err
    assert ended.out.startswith("added 2 entries: 3, 4")
    metadata = {"n": 1, "s": "x"}
    assert stub.asked[0].json == {"entries": [{"text": text, "metadata": metadata} for text in ("first", "a", "b")]}


def test_set_shows_the_difference_and_changes_just_that(stub: Stub, root: Path, vecward: Vecward) -> None:
    stub.answers[f"PUT {T}/entries"] = Told(answers.PLAN)
    stub.answers[f"GET {T}/entries"] = Told(answers.ENTRIES)
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
    stub.answers[f"PUT {T}/entries"] = Told(answers.PLAN)
    stub.answers[f"GET {T}/entries"] = Told(answers.ENTRIES)
    ended = vecward("--root", root, "entries", "set", "acme", "-", stdin=b"a\n")
    assert ended.code == 2
    assert "--yes" in ended.err
    assert all("dry_run" in asked.target for asked in stub.asked if asked.method == "PUT")


@pytest.mark.parametrize("plan", [{**answers.PLAN, "added": 0, "removed": 0}, answers.PLAN])
def test_set_without_a_change_or_dry_changes_nothing(
    stub: Stub, root: Path, vecward: Vecward, plan: dict[str, Any]
) -> None:
    stub.answers[f"PUT {T}/entries"] = Told(plan)
    stub.answers[f"GET {T}/entries"] = Told(answers.ENTRIES)
    more = ["--dry-run"] if plan["added"] else []
    assert vecward("--root", root, "entries", "set", "acme", "-", "--json", *more, stdin=b"a\n").json == plan
    assert sum(asked.method == "PUT" for asked in stub.asked) == 1


def test_delete_names_what_it_did_not_find(stub: Stub, root: Path, vecward: Vecward) -> None:
    stub.answers[f"POST {T}/entries/delete"] = Told({"deleted": [3], "unknown": [9], "revision": 8})
    ended = vecward("--root", root, "entries", "delete", "acme", "3", "9", "--forget")
    assert ended.code == 1
    assert "vecward: unknown-entry: cannot find entries 9" in ended.err
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


# --- operations -----------------------------------------------------------------------------------


def test_start_waits_until_it_is_done(stub: Stub, root: Path, vecward: Vecward) -> None:
    left = ["running", "running", "done"]
    stub.answers[f"POST {T}/start"] = Told(answers.operation(), 202)
    stub.answers[f"GET {T}/operations/d-1/wait"] = lambda _: Told(answers.operation(left.pop(0)))
    ended = vecward("--root", root, "start", "acme")
    assert (ended.code, ended.out, left) == (0, "acme: start done in 2.0 s\n", [])


def test_a_start_that_failed(stub: Stub, root: Path, vecward: Vecward) -> None:
    failed = answers.operation("failed", error=problem("tenant-failed", "cannot start acme: the GPU is busy"))
    stub.answers[f"POST {T}/start"] = Told(failed, 202)
    ended = vecward("--root", root, "start", "acme", "--json")
    assert ended.code == 1
    assert ended.json == failed
    assert ended.err == "vecward: tenant-failed: cannot start acme: the GPU is busy\n"


@pytest.mark.parametrize("state", ["cancelled", "interrupted"])
def test_a_start_that_was_broken_off(stub: Stub, root: Path, vecward: Vecward, state: str) -> None:
    stub.answers[f"POST {T}/start"] = Told(answers.operation(state), 202)
    ended = vecward("--root", root, "start", "acme")
    assert ended.code == 1
    assert ended.err.startswith(f"vecward: operation-{state}: cannot finish start of acme")


def import_answers(stub: Stub, state: str = "done", **result: Any) -> None:
    stub.answers[f"POST {T}/import"] = Told(answers.operation(id="e-1", kind="import"), 202)
    ended = answers.operation(state, id="e-1", kind="import", result={"added": 2, "revision": 8, **result})
    stub.answers[f"GET {T}/operations/e-1/wait"] = Told(ended)


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
    stub.answers[f"DELETE {T}/operations/e-1"] = Told(cancelled)

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("daemon.cli.operations.wait", interrupt)
    ended = vecward("--root", root, "entries", "import", "acme", "-", stdin=b"a\n")
    assert ended.code == 130
    assert "the import was cancelled after 512 entries" in ended.err
    assert stub.asked[-1].method == "DELETE"


# --- pages, streams, files ------------------------------------------------------------------------


def test_status_shows_every_page_and_what_the_isolation_means(stub: Stub, root: Path, vecward: Vecward) -> None:
    def page(asked: Asked) -> Told:
        if "after=acme" in asked.target:
            return Told(
                {**answers.TENANTS, "tenants": [{**answers.TENANT, "name": "globex", "warnings": {"memory_mb": "hot"}}]}
            )
        return Told({**answers.TENANTS, "next": "acme", "total": 2})

    stub.answers["GET /v1/tenants"] = page
    ended = vecward("--root", root, "status")
    assert [line.split()[0] for line in ended.out.splitlines()] == ["tenant", "acme", "globex"]
    assert ended.err.splitlines() == ["vecward: isolation process: own process only", "vecward: globex: hot"]
    joined = vecward("--root", root, "status", "--json").json
    assert [tenant["name"] for tenant in joined["tenants"]] == ["acme", "globex"]
    assert joined["next"] is None


def test_status_of_one_shows_its_last_crash(stub: Stub, root: Path, vecward: Vecward) -> None:
    crash = {"at": "2026-11-25T10:00:00Z", "reason": "the encoder ended by SIGKILL", "last_lines": [f"x {ESCAPE}"]}
    stub.answers[f"GET {T}"] = Told({**answers.TENANT, "crash": crash})
    *_, head, last = vecward("--root", root, "status", "acme").out.splitlines()
    assert head == "crashed      2026-11-25T10:00:00+00:00: the encoder ended by SIGKILL"
    assert last == "    x \\x1b[31mred\\x1b]0;title\\x07"


def test_following_events_prints_a_document_a_line(stub: Stub, root: Path, vecward: Vecward) -> None:
    other = {**answers.EVENT, "id": 2, "tenant": "globex"}
    sent = "".join(f"data: {json.dumps(event)}\n\n" for event in (answers.EVENT, other, answers.EVENT)).encode()
    stub.answers["GET /v1/events"] = Told([sent], media_type="text/event-stream")
    assert vecward("--root", root, "events", "-f", "--tenant", "acme", "--json").documents == [answers.EVENT] * 2
    assert vecward("--root", root, "events", "-f").out.count("tenant-ready") == 3


def test_a_crash_shows_the_last_lines_of_the_log_below_it(stub: Stub, root: Path, vecward: Vecward) -> None:
    data = {"signal": "SIGKILL", "last_lines": ["ready", f"loading {ESCAPE}"]}
    stub.answers["GET /v1/events"] = Told({"events": [answers.EVENT | {"data": data}], "next": 1})
    head, first, second = vecward("--root", root, "events").out.splitlines()
    assert head.endswith("acme tenant-ready signal=SIGKILL")
    assert (first, second) == ("    last_lines: ready", "    last_lines: loading \\x1b[31mred\\x1b]0;title\\x07")


def test_usage_is_a_table_of_days(stub: Stub, root: Path, vecward: Vecward) -> None:
    stub.answers["GET /v1/usage"] = Told(answers.USAGE)
    head, row = vecward("--root", root, "usage").out.splitlines()
    assert head.split() == ["tenant", "day", "queries", "texts", "tokens", "encoder", "time", "storage"]
    assert row.split() == ["acme", "2025-01-02", "1234", "56", "7890", "12.3", "s", "3.0", "MiB"]


def test_following_a_log(stub: Stub, root: Path, vecward: Vecward) -> None:
    stub.answers[f"GET {T}/logs"] = Told([json.dumps(answers.LOG_LINE).encode() + b"\n"] * 2)
    assert vecward("--root", root, "logs", "acme", "-f", "--tail", "2", "--json").documents == [answers.LOG_LINE] * 2
    assert (
        vecward("--root", root, "logs", "acme", "-f").out.splitlines()
        == [f"{answers.AT} info encoder-ready entries=12"] * 2
    )


def test_an_export_is_the_bytes_that_came(stub: Stub, root: Path, vecward: Vecward, tmp_path: Path) -> None:
    stub.answers[f"GET {T}/export"] = Told(["苹果\n".encode(), b"b\n"])
    assert vecward("--root", root, "entries", "export", "acme").out == "苹果\nb\n"
    file = tmp_path / "all.csv"
    assert vecward("--root", root, "entries", "export", "acme", "-o", file).code == 0
    assert file.read_text() == "苹果\nb\n"
    vecward("--root", root, "entries", "export", "acme", "--json")
    assert [asked.target.partition("=")[2] for asked in stub.asked] == ["txt", "csv", "jsonl"]


def test_an_export_that_was_refused_leaves_the_older_file(
    stub: Stub, root: Path, vecward: Vecward, tmp_path: Path
) -> None:
    stub.answers[f"GET {T}/export"] = Told(problem("forbidden", "cannot export"), 403)
    file = tmp_path / "all.txt"
    file.write_text("older")
    assert vecward("--root", root, "entries", "export", "acme", "-o", file).code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["all.txt"]
    assert file.read_text() == "older"


def test_a_folder_that_is_not_there_to_export_to(stub: Stub, root: Path, vecward: Vecward, tmp_path: Path) -> None:
    ended = vecward("--root", root, "entries", "export", "acme", "-o", tmp_path / "none" / "x")
    assert ended.code == 1
    assert "vecward: invalid: cannot write" in ended.err


def test_deleting_a_tenant(stub: Stub, root: Path, vecward: Vecward) -> None:
    stub.answers[f"DELETE {T}"] = Told(b"", 204)
    assert vecward("--root", root, "tenant", "delete", "acme").out == "acme: deleted, its data is kept\n"
    ended = vecward("--root", root, "tenant", "delete", "acme", "--purge", "--yes", "--json")
    assert ended.json == {"deleted": "acme", "purged": True}
    assert [asked.target for asked in stub.asked] == [T, f"{T}?purge=acme"]
