"""Commands on a terminal: questions, passwords that are not shown, text that can't drive the terminal."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.core.config import passwords, users
from daemon.core.paths import Paths
from tests.support.http import answers
from tests.support.http.api_stub import Canned, Stub, serving_in_thread

# pty.spawn gives the command a terminal of its own and copies between it and these pipes.
ON_A_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
VECWARD = "import sys; from daemon.cli import main; main()"


@pytest.fixture
def stub() -> Iterator[Stub]:
    with (
        tempfile.TemporaryDirectory(prefix="vw-") as folder,
        serving_in_thread(Stub(Path(folder) / "run/daemon.sock")) as stub,
    ):
        yield stub


def talk(*arguments: object, say: dict[str, str]) -> tuple[int, str]:
    """Run vecward on a terminal, type each answer when its question has come; return the exit code and the screen."""
    command = [sys.executable, "-c", ON_A_TERMINAL, sys.executable, "-c", VECWARD, *map(str, arguments)]
    shown = ""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for question, answer in say.items():
            asked = ""
            while question not in asked and (byte := process.stdout.read(1)):
                asked += byte.decode("latin-1")
            assert question in asked, shown + asked
            shown += asked
            process.stdin.write(answer.encode() + b"\n")
            process.stdin.flush()
        shown += process.stdout.read().decode()
    return process.returncode, shown


def test_a_password_is_asked_for_twice_and_never_shown(tmp_path: Path) -> None:
    say = {"characters): ": "correct horse", "The same again: ": "correct horse"}
    code, shown = talk("--root", tmp_path, "user", "add", "demo", say=say)
    assert code == 0, shown
    assert f"at least {passwords.MIN_PASSWORD_CHARS} characters" in shown
    assert "correct horse" not in shown
    assert passwords.verify(users.load(Paths.under(tmp_path).users_yaml)["demo"], "correct horse")


@pytest.mark.parametrize(("answer", "code", "changes"), [("y", 0, 1), ("n", 1, 0)])
def test_set_asks_before_it_changes(stub: Stub, tmp_path: Path, answer: str, code: int, changes: int) -> None:
    stub.answers["PUT /v1/tenants/acme/entries"] = Canned(answers.PLAN)
    stub.answers["GET /v1/tenants/acme/entries"] = Canned(answers.ENTRIES)
    (tmp_path / "list.txt").write_text("a sentence\n")
    command = ["--socket", stub.socket, "entries", "set", "acme", tmp_path / "list.txt"]
    ended, shown = talk(*command, say={"of acme? [y/N]: ": answer})
    assert ended == code, shown
    assert "+ a sentence" in shown
    assert sum(asked.method == "PUT" and "dry_run" not in asked.target for asked in stub.asked) == changes


@pytest.mark.parametrize(("answer", "code", "changes"), [("acme", 0, 1), ("yes", 1, 0)])
def test_purge_wants_the_name_again(stub: Stub, answer: str, code: int, changes: int) -> None:
    stub.answers["DELETE /v1/tenants/acme"] = Canned(b"", 204)
    ended, shown = talk("--socket", stub.socket, "tenant", "delete", "acme", "--purge", say={"go on: ": answer})
    assert ended == code, shown
    assert len(stub.asked) == changes


def test_an_export_on_a_terminal_has_no_escape_sequences(stub: Stub) -> None:
    stub.answers["GET /v1/tenants/acme/export"] = Canned([b"a \x1b[31mred\n", "苹果\n".encode()])
    code, shown = talk("--socket", stub.socket, "entries", "export", "acme", say={})
    assert (code, shown.splitlines()) == (0, ["a \\x1b[31mred", "苹果"])
