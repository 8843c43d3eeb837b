"""Job processes: what they say is bounded and checked, and they end with whoever asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import psutil
import pytest

from daemon.core.config.tenant_config import TenantConfig
from daemon.core.encoder_protocol.job import MAX_LINE_BYTES, MAX_LINES, Step
from daemon.core.encoder_protocol.reembed import Done, messages
from daemon.core.errors import Conflict, DiskFull, Forbidden, InternalError, StartRefused, all_kinds
from daemon.supervisor.logs.tenant_log import TenantLog
from daemon.supervisor.process import job_process
from daemon.supervisor.process.job_process import BELIEVED, JobLaunch, JobProcess, Kinds, running
from tests.support.daemons import CHECKOUT, alive, wait_for

Run = Callable[..., AbstractAsyncContextManager[JobProcess]]
CONFIG = TenantConfig.model_validate({"encoder": {"backend": "fake"}})
STEP = b'{"type":"step","done":1,"total":2}\n'


@pytest.fixture
def run(tmp_path: Path) -> Run:
    @asynccontextmanager
    async def start(code: str, *, deaf: bool = False, believed: Kinds = BELIEVED) -> AsyncIterator[JobProcess]:
        log = TenantLog(tmp_path / "log")
        launch = JobLaunch(
            tenant="acme",
            data=tmp_path,
            config_json=CONFIG.model_dump_json().encode(),
            log=log,
            environment={**os.environ, "PYTHONPATH": str(CHECKOUT)},
            believed=believed,
        )
        async with running(launch, "tests.stubs.job", [*(["--deaf"] if deaf else []), code]) as job:
            yield job
        log.close()

    return start


def logged(tmp_path: Path) -> list[str]:
    return [json.loads(line)["text"] for line in (tmp_path / "log").read_text().splitlines()]


async def collect(job: JobProcess, into: list[object]) -> list[object]:
    async for message in job.messages(messages):
        into.append(message)
    return into


async def all_of(job: JobProcess) -> list[object]:
    return await collect(job, [])


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_messages_arrive_in_order_to_the_end(run: Run) -> None:
    code = """
assert (options.tenant, config.encoder.backend) == ("acme", "fake")
for done in range(2): tell(Step(done=done, total=2))
say(b'{"type":"done","encoded":5,"derived":0,"unknown":"field"}\\n')
"""
    async with run(code) as job:
        assert job.pids()
        assert await all_of(job) == [Step(done=0, total=2), Step(done=1, total=2), Done(encoded=5, derived=0)]


@pytest.mark.parametrize("error", [Conflict, DiskFull, StartRefused])
async def test_a_problem_is_the_error_that_it_names(run: Run, error: type[Exception]) -> None:
    code = f"from daemon.core import errors\nraise errors.{error.__name__}('cannot do that: no')"
    async with run(code) as job:
        with pytest.raises(error, match="cannot do that: no"):
            await all_of(job)


async def test_a_process_of_a_tenants_does_not_name_every_error(run: Run) -> None:
    """A tenant must not tell a caller of the daemon that it may not do what it asks for."""
    code = "from daemon.core import errors\nraise errors.Forbidden('cannot')"
    async with run(code) as job:
        with pytest.raises(InternalError):
            await all_of(job)
    async with run(code, believed=all_kinds()) as job:
        with pytest.raises(Forbidden):
            await all_of(job)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("raise OSError(28, 'no room')", DiskFull),
        ("raise OSError(122, 'quota')", DiskFull),
        ("raise OSError(5, 'broken')", StartRefused),
        ("import a_module_that_is_missing", StartRefused),
    ],
)
async def test_errors_of_the_system_have_a_reason_too(run: Run, code: str, error: type[Exception]) -> None:
    async with run(code) as job:
        with pytest.raises(error, match="cannot go on: "):
            await all_of(job)


@pytest.mark.parametrize(
    "line", [b"nothing\n", b"{}\n", b"\xff\n", b"[" * 5000 + b"\n", b'{"type":"step","done":-1,"total":2}\n']
)
async def test_anything_else_is_refused(run: Run, line: bytes) -> None:
    async with run(f"say({line!r})") as job:
        with pytest.raises(InternalError, match="says what no such job says"):
            await all_of(job)


async def test_a_line_without_an_end_is_refused(run: Run) -> None:
    async with run(f"while True: say(b'x' * {MAX_LINE_BYTES})") as job:
        with pytest.raises(InternalError, match="sent a line of more than 65,536 bytes"):
            await all_of(job)


async def test_too_many_messages_are_refused(run: Run) -> None:
    async with run(f"while True: say({STEP!r} * 100)") as job:
        seen: list[object] = []
        with pytest.raises(InternalError, match="sent more than 10,000 messages"):
            await collect(job, seen)
    assert len(seen) == MAX_LINES


async def test_an_end_with_a_code_is_an_error_and_its_last_words_are_logged(run: Run, tmp_path: Path) -> None:
    async with run("print('the reason', file=sys.stderr)\nraise SystemExit(7)") as job:
        with pytest.raises(InternalError, match="ended with 7; see the tenant's log"):
            await all_of(job)
    assert "the reason" in logged(tmp_path)


async def test_the_log_takes_the_beginning_of_a_flood(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_process, "_MAX_LOG_BYTES", 10_000)
    async with run("os.write(2, b'first\\n')\nfor _ in range(100): os.write(2, b'x' * 9999 + b'\\n')") as job:
        assert await all_of(job) == []
    lines = logged(tmp_path)
    assert lines[0] == "first"
    assert sum(map(len, lines)) < 10_000


async def test_one_message_and_the_bytes_behind_it(run: Run) -> None:
    async with run(f"say({STEP!r} + b'\\0not a line' * 100_000)") as job:
        assert await job.message(messages) == Step(done=1, total=2)
        assert b"".join([chunk async for chunk in job.rest()]) == b"\0not a line" * 100_000


async def test_bytes_that_break_off_are_an_error(run: Run) -> None:
    async with run(f"say({STEP!r} + b'half')\nraise SystemExit(1)") as job:
        await job.message(messages)
        with pytest.raises(InternalError, match="ended with 1"):
            _ = [chunk async for chunk in job.rest()]


async def test_a_process_without_a_word_is_an_error(run: Run) -> None:
    async with run("pass") as job:
        with pytest.raises(InternalError, match="ended before it answered"):
            await job.message(messages)


async def test_it_waits_for_the_word_to_go_on(run: Run) -> None:
    async with run(f"say({STEP!r})\ngo.wait()\nsay({STEP!r})") as job:
        await job.message(messages)
        job.go()
        assert await all_of(job) == [Step(done=1, total=2)]
        job.go()  # nobody hears it


async def test_it_ends_when_its_lifeline_is_closed(run: Run) -> None:
    async with run(f"say({STEP!r})\nwhile True: time.sleep(60)") as job:
        await job.message(messages)
        (pid,) = job.pids()
    assert job.pids() == []
    assert not is_there(pid)


async def test_one_that_does_not_heed_its_lifeline_is_killed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_process, "_GRACE_S", 0.2)
    code = f"signal.signal(signal.SIGTERM, signal.SIG_IGN)\nsay({STEP!r})\nwhile True: time.sleep(60)"
    async with run(code, deaf=True) as job:
        await job.message(messages)
        (pid,) = job.pids()
    assert not is_there(pid)


async def test_it_gets_nothing_of_ours_but_what_it_is_given(run: Run) -> None:
    secret = os.open(__file__, os.O_RDONLY)
    os.set_inheritable(secret, True)
    try:
        async with run(f"try: os.fstat({secret})\nexcept OSError: say({STEP!r})") as job:
            assert len(await all_of(job)) == 1
    finally:
        os.close(secret)


def test_it_dies_with_its_parent(tmp_path: Path) -> None:
    """The kernel ends it, by PDEATHSIG, though it does not heed its lifeline."""
    code = "print(os.getpid(), file=sys.stderr, flush=True)\nwhile True: time.sleep(60)"
    parent = f"""
import os, subprocess, sys
fd = os.memfd_create("config")
os.write(fd, {CONFIG.model_dump_json().encode()!r})
options = ["--tenant", "acme", "--data", "/", "--config-fd", str(fd), "--deaf", {code!r}]
child = subprocess.Popen([sys.executable, "-m", "tests.stubs.job", *options], pass_fds=[fd], stderr=subprocess.PIPE)
print(child.stderr.readline().decode(), flush=True)
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", parent], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=True)
    pid = int(done.stdout)
    wait_for(lambda: not psutil.pid_exists(pid) or not alive(psutil.Process(pid)), what="the end of the job")
