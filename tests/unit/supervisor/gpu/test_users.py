"""Processes on a GPU: those that are about to end, and what people are told of others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from daemon.supervisor.gpu import users
from daemon.supervisor.gpu.nvml import GpuUser
from daemon.supervisor.gpu.users import is_leaving

DATA = Path("/data/acme")
WAITS = "import sys; print(flush=True); sys.stdin.read()"
ENCODER = ("-m", "daemon.encoder", "--tenant", "acme", "--data", str(DATA))

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start processes that wait, with these words on their command line."""
    with ExitStack() as stack:

        def begin(*words: str) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-c", WAITS, *words]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            stack.enter_context(process)
            stack.callback(process.kill)
            assert process.stdout is not None
            process.stdout.readline()
            return process

        yield begin


def test_an_encoder_of_this_tenant_is_leaving(start: Start) -> None:
    pid = start(*ENCODER).pid
    assert is_leaving(pid, "acme", DATA, None)
    assert not is_leaving(pid, "globex", DATA, None)
    assert not is_leaving(pid, "acme", DATA.with_name("other"), None)


@pytest.mark.parametrize("words", [(), ENCODER[2:], (*ENCODER[:2], *ENCODER[4:]), ("daemon.encoder", "acme")])
def test_another_process_is_not(start: Start, words: tuple[str, ...]) -> None:
    assert not is_leaving(start(*words).pid, "acme", DATA, None)


def test_a_process_of_the_tenants_uid_is_leaving_whatever_it_is(start: Start) -> None:
    pid = start().pid
    assert is_leaving(pid, "acme", DATA, os.getuid())
    assert not is_leaving(pid, "acme", DATA, os.getuid() + 1)


def test_a_process_that_has_ended_is_leaving_before_and_after_it_is_waited_for(start: Start) -> None:
    process = start()
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert is_leaving(process.pid, "acme", DATA, None)
    process.wait()
    assert is_leaving(process.pid, "acme", DATA, None)


def test_a_process_that_may_not_be_looked_at_stays(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: psutil.Process) -> list[str]:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil.Process, "cmdline", refuse)
    assert not is_leaving(start(*ENCODER).pid, "acme", DATA, None)


def test_words_for_people(start: Start) -> None:
    process = start()
    user = psutil.Process(process.pid).username()
    name = psutil.Process(process.pid).name()
    assert users.words(GpuUser(process.pid, 3000.4)) == (
        f"process {process.pid} ({name}, user {user}) uses 3000 MB of it"
    )
    process.kill()
    process.wait()
    assert users.words(GpuUser(process.pid, None)) == (
        f"process {process.pid} uses an amount of its memory that the driver does not tell"
    )
