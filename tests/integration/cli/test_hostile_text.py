"""Texts of tenants stay texts, wherever they come out: command line, files, logs; tests/browser has the console."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from daemon.core.config import passwords, users
from daemon.core.wire import Metadata, NewEntry
from tests.support.daemons import CHECKOUT, RunningDaemon, fake_tenant, running_daemon, wait_for
from tests.support.http.raw_http import ask

SPOOFS = "\x1b[2J\x1b]0;owned\x07\x9b31m\x7f\u202egnp.exe\u2066\u2028\x01"
TYPED = f"evil <script>alert(1)</script> [x](javascript:alert(1)) [bold red]markup[/] %s {{}} {SPOOFS} end"
FORMULAS = ('=HYPERLINK("http://x")', "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "＝1+1", "＠SUM(A1)")
METADATA: Metadata = {
    f"key{SPOOFS}": f"value{SPOOFS}",
    '=cmd|"/c calc"!A1': "=1+1",
    "source": "javascript:alert(1)",
    "url": "data:text/html,<script>alert(1)</script>",
}
# YAML itself takes no controls but line ends; marks that turn the direction it does take.
TITLE = "Sales <b>\u202egnp.exe\u2066</b> [red]x[/]"


@pytest.fixture(scope="module")
def host() -> Iterator[RunningDaemon]:
    tenant = fake_tenant(title={"en": TITLE, "zh": TITLE}, log={"queries": True})
    with running_daemon({"acme": tenant}, start=False) as daemon:
        users.save(daemon.paths.users_yaml, {"demo": passwords.hash_password("correct horse")})
        daemon.start().ready("acme")
        with daemon.client() as client:
            client.add("acme", [NewEntry(text=TYPED, metadata=METADATA)])
            client.add("acme", [NewEntry(text=f"{formula} in a text") for formula in FORMULAS])
            client.search("acme", TYPED)
        yield daemon


def vecward(host: RunningDaemon, *arguments: str) -> str:
    """Run a command, and return everything that a terminal would be sent."""
    command = [sys.executable, "-m", "daemon.cli", "--root", str(host.root), *arguments]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False, stdin=subprocess.DEVNULL, cwd=CHECKOUT)
    return (done.stdout + done.stderr).decode()


COMMANDS = [
    ("search", "acme", TYPED),
    ("entries", "list", "acme"),
    ("entries", "history", "acme"),
    ("entries", "add", "acme", TYPED),
    ("tenant", "list"),
    ("usage",),
    ("status",),
    ("logs", "acme", "--tail", "10000"),
    ("events",),
    ("vector", "acme", TYPED),
    ("entries", "list", f"no{SPOOFS}one"),
    ("entries", "edit", "acme", "1", TYPED + "!"),
]


@pytest.mark.parametrize("as_json", [False, True], ids=["people", "json"])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: "-".join(command[:2]))
def test_nothing_moves_the_cursor_of_a_terminal(host: RunningDaemon, command: tuple[str, ...], as_json: bool) -> None:
    said = vecward(host, *command, *(["--json"] if as_json else []))
    assert said
    bad = {character for character in said if not (character.isprintable() or character == "\n")}
    assert not bad
    assert "Traceback" not in said


def test_markup_of_the_terminal_library_is_text(host: RunningDaemon) -> None:
    assert "[bold red]markup[/]" in vecward(host, "search", "acme", "evil")
    assert "[red]x[/]" in vecward(host, "tenant", "list")


def test_no_cell_of_an_export_is_a_formula(host: RunningDaemon) -> None:
    raw = ask(host.paths.daemon_socket, "GET", "/v1/tenants/acme/export?format=csv").body.decode()
    rows = list(csv.reader(io.StringIO(raw, newline="")))
    cells = [cell for row in rows for cell in row if cell]
    assert not [cell for cell in cells if cell[0] in "=+-@\t\r＝＋－＠"]
    assert '\'=cmd|"/c calc"!A1' in rows[0]
    texts = {row[0] for row in rows}
    assert texts >= {f"'{formula.strip()} in a text" for formula in FORMULAS}  # texts are stripped


def test_an_export_comes_back_as_it_was(host: RunningDaemon) -> None:
    with host.client() as client:
        before = client.entries("acme", limit=1000).entries
        data = b"".join(client.export("acme", "csv"))
        client.set_texts("acme", ["something else entirely"])
        done = client.wait("acme", client.import_entries("acme", data, "text/csv").id)
        assert done.state == "done"
        after = client.entries("acme", limit=1000).entries[1:]
    assert [(one.text, one.metadata) for one in after] == [(one.text, one.metadata) for one in before]


def test_logs_hold_one_line_each_and_nothing_that_moves(host: RunningDaemon) -> None:
    ask(host.paths.daemon_socket, "GET", "/v1/tenants/%1b%5b2J%c2%9b/entries")
    ask(host.paths.console_socket, "POST", "/v1/signin", json.dumps({"name": TYPED, "password": TYPED}))
    wait_for(lambda: "evil" in host.encoder_log("acme"), what="the query in the log, which this tenant asked for")
    for path in (host.paths.audit_log, host.paths.tenant("acme").encoder_log, host.root / "daemon-output"):
        lines = path.read_bytes().decode().split("\n")
        assert len(lines) > 1
        for line in lines[:-1]:
            assert line.isprintable(), (path, line)
            assert isinstance(json.loads(line), dict)
    assert "correct horse" not in host.paths.audit_log.read_text()
    assert "alert(1)" not in host.paths.audit_log.read_text()
    assert "alert(1)" not in host.output()
