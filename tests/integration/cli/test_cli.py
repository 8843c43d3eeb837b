"""The command line as people and scripts use it: the installed `vecward` against a real daemon and encoder."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess

import pytest

from tests.conftest import StartDaemon
from tests.support.daemons import RunningDaemon, fake_tenant
from tests.support.shell import VECWARD, Shell

TEXTS = ["apples are a fruit", "the printer is out of paper", "reset your password here"]
MANY = "".join(f"entry number {number} of many\n" for number in range(4000))


def test_the_life_of_a_knowledge_base(shell: Shell) -> None:
    added = shell.json("entries", "add", "acme", *TEXTS, "--meta", "by=zhang")
    assert len(added["added"]) == 3
    listed = shell.json("entries", "list", "acme")
    assert [entry["text"] for entry in listed["entries"]] == TEXTS
    assert {entry["metadata"]["by"] for entry in listed["entries"]} == {"zhang"}

    first = added["added"][0]
    edited = shell.json("entries", "edit", "acme", first, "苹果是一种很好吃的水果", "--if-match", added["revision"])
    assert (edited["id"], edited["text"]) == (first, "苹果是一种很好吃的水果")
    stale = shell.run("entries", "edit", "acme", first, "too late", "--if-match", added["revision"])
    assert (stale.returncode, stale.stdout) == (1, "")
    assert stale.stderr.startswith("vecward: revision-changed: cannot ")

    assert shell.json("entries", "delete", "acme", added["added"][1])["deleted"] == [added["added"][1]]
    assert shell.json("entries", "undo", "acme")["added"] == 1
    assert shell.json("entries", "list", "acme")["total"] == 3
    assert len(shell.json("entries", "history", "acme")["changes"]) == 4

    exported = shell.run("entries", "export", "acme")
    assert sorted(exported.stdout.splitlines()) == sorted(["苹果是一种很好吃的水果", *TEXTS[1:]])


def test_set_makes_the_base_the_file(shell: Shell) -> None:
    shell.json("entries", "add", "acme", *TEXTS)
    ended = shell.run("entries", "set", "acme", "-", "--yes", stdin="\n".join([*TEXTS[1:], "a fourth sentence"]))
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.splitlines() == [
        f"- {TEXTS[0]}",
        "+ a fourth sentence",
        "vecward: 1 to add, 1 to remove, 2 unchanged",
    ]
    assert ended.stdout.startswith("added 1, removed 1, unchanged 2; revision ")
    texts = [entry["text"] for entry in shell.json("entries", "list", "acme")["entries"]]
    assert texts == [*TEXTS[1:], "a fourth sentence"]


def test_what_is_refused_is_named_and_the_rest_is_done(shell: Shell) -> None:
    shell.json("entries", "add", "acme", TEXTS[0])
    ended = shell.run("entries", "add", "acme", TEXTS[0], "abc", TEXTS[1])
    assert ended.returncode == 1
    duplicate, short = ended.stderr.splitlines()
    assert duplicate.startswith("vecward: duplicate: line 1: ")
    assert short.startswith("vecward: too-short: line 2: ")
    assert shell.json("entries", "list", "acme")["total"] == 2


def test_search_prints_what_the_api_answers(daemon: RunningDaemon, shell: Shell) -> None:
    shell.json("entries", "add", "acme", *TEXTS)
    found = shell.json("search", "acme", "apples", "-k", "2")
    connection = http.client.HTTPConnection("vecward")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(daemon.paths.daemon_socket))
    body = json.dumps({"query": "apples", "k": 2})
    connection.request("POST", "/v1/tenants/acme/search", body, {"content-type": "application/json"})
    answer = json.loads(connection.getresponse().read())
    connection.close()
    assert found.pop("timing").keys() == answer.pop("timing").keys()
    assert found == answer
    words = shell.run("search", "acme", "apples").stdout
    assert "apples are a fruit" in words.splitlines()[1]


@pytest.mark.parametrize("k", ["0", "-1", "10000"])
def test_a_k_that_is_not_allowed(shell: Shell, k: str) -> None:
    ended = shell.run("search", "acme", "apples", "-k", k)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("vecward: invalid: cannot ")


def test_vectors(shell: Shell) -> None:
    (entry,) = shell.json("entries", "add", "acme", TEXTS[0])["added"]
    of_entry = shell.json("vector", "acme", "--id", entry, "--dims", "3")
    of_text = shell.json("vector", "acme", TEXTS[0], "--kind", "document", "--dims", "3")
    assert of_entry["values"] == pytest.approx(of_text["values"])
    assert (len(of_entry["values"]), of_entry["norm"]) == (3, pytest.approx(1))
    assert "dimension" in shell.run("vector", "acme", "apples").stdout


def test_stop_start_restart_park(daemon: RunningDaemon, shell: Shell) -> None:
    def state() -> str:
        found: str = shell.json("status", "acme")["state"]
        return found

    before = shell.json("status", "acme")["pid"]
    assert shell.json("restart", "acme")["operation"]["state"] == "done"
    assert shell.json("status", "acme")["pid"] not in (None, before)
    assert shell.run("stop", "acme").stdout.startswith("acme: stop done in ")
    assert state() == "stopped"
    refused = shell.run("search", "acme", "apples")
    assert (refused.returncode, refused.stderr.split(": ")[1]) == (1, "tenant-stopped")
    assert shell.json("start", "acme")["operation"]["state"] == "done"
    assert state() == "ready"
    assert shell.json("park", "acme")["operation"]["state"] == "done"
    assert state() == "parked"
    assert shell.json("start", "acme", "--no-wait")["operation"]["kind"] == "start"
    daemon.wait_state("acme", "ready")


def test_status_in_words(shell: Shell) -> None:
    ended = shell.run("status")
    assert re.match(r"acme +ready ", ended.stdout.splitlines()[1])
    assert "no sandbox" in ended.stderr
    assert "no sandbox" in shell.run("status", "acme").stdout


def test_a_start_that_cannot_succeed(start_daemon: StartDaemon) -> None:
    daemon = start_daemon({"bad": "encoder: {backend: none}\n"})
    ended = Shell(daemon.root).run("start", "bad")
    assert ended.returncode == 1
    assert re.match(r"vecward: [a-z-]+: .*encoder\.backend", ended.stderr)


def test_unknown_names(shell: Shell) -> None:
    for arguments in (["search", "nobody", "x"], ["status", "../etc"], ["status", "acme/"], ["logs", "nobody"]):
        ended = shell.run(*arguments)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr.startswith(("vecward: unknown-tenant: ", "vecward: not-found: "))
    ended = shell.run("entries", "edit", "acme", "999", "some other text")
    assert ended.stderr.startswith("vecward: unknown-entry: ")


def test_the_life_of_a_tenant(shell: Shell, daemon: RunningDaemon) -> None:
    yaml = json.dumps(fake_tenant(title={"en": "Globex", "zh": "环球"}))
    assert shell.json("tenant", "create", "globex", "-", stdin=yaml)["name"] == "globex"
    daemon.wait_state("globex", "ready")
    assert [tenant["name"] for tenant in shell.json("tenant", "list")["tenants"]] == ["acme", "globex"]
    shell.json("entries", "add", "globex", TEXTS[0])
    assert shell.run("tenant", "delete", "globex").stdout == "globex: deleted, its data is kept\n"
    again = shell.run("tenant", "create", "globex", "-", stdin=yaml)
    assert (again.returncode, again.stderr.split(": ")[1]) == (1, "data-exists")
    assert shell.json("tenant", "create", "globex", "-", "--adopt", stdin=yaml)["name"] == "globex"
    daemon.wait_state("globex", "ready")
    assert shell.json("entries", "list", "globex")["total"] == 1
    assert shell.json("tenant", "delete", "globex", "--purge", "--yes") == {"deleted": "globex", "purged": True}
    assert not daemon.paths.tenant("globex").data.exists()
    bad = shell.run("tenant", "create", "globex", "-", stdin="encoder: {backend: none}\n")
    assert (bad.returncode, bad.stderr.split(": ")[1]) == (1, "invalid-config")


def test_logs_events_openapi_doctor(shell: Shell) -> None:
    assert any(line["event"] for line in shell.json("logs", "acme")["lines"])
    assert shell.run("logs", "acme", "--tail", "1").stdout.count("\n") == 1
    assert {event["tenant"] for event in shell.json("events", "--tenant", "acme")["events"]} == {"acme"}
    assert shell.json("openapi")["openapi"].startswith("3.1")
    checks = {check["name"]: check for check in json.loads(shell.run("doctor", "--json").stdout)["checks"]}
    assert checks["daemon"]["verdict"] == "ok"


def test_nobody_there_is_3(daemon: RunningDaemon, shell: Shell) -> None:
    daemon.stop()
    ended = shell.run("status")
    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr.startswith("vecward: daemon-unreachable: cannot reach the daemon at ")
    assert f"--root {daemon.root} up" in ended.stderr


def test_the_root_by_its_variable(daemon: RunningDaemon) -> None:
    environment = {**os.environ, "VECWARD_ROOT": str(daemon.root)}
    ended = subprocess.run([VECWARD, "status", "--json"], env=environment, capture_output=True, timeout=60, check=True)
    assert json.loads(ended.stdout)["total"] == 1


def test_a_pipe_that_ends_early(shell: Shell) -> None:
    shell.json("entries", "import", "acme", "-", stdin=MANY)
    with shell.start("entries", "export", "acme") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode in (0, 1)  # 0: all of it fitted into the pipe
