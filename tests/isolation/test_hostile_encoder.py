"""Words of a hostile encoder, in its sandbox, to the daemon: forged pids, floods, malformed messages."""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from daemon.core.encoder_protocol.control import Changed, FromEncoder, Warming
from daemon.core.encoder_protocol.progress_page import PAGE_BYTES
from daemon.core.http import sockets
from daemon.supervisor.isolation import seccomp
from daemon.supervisor.isolation.data_folders import DataFolder
from daemon.supervisor.isolation.sandbox import Sandbox, write_accounts
from daemon.supervisor.logs import tenant_log
from daemon.supervisor.logs.tenant_log import TenantLog
from daemon.supervisor.process import encoder_process
from daemon.supervisor.process.encoder_process import EncoderProcess
from daemon.supervisor.process.ended import Ended
from daemon.supervisor.process.launch import Launch
from daemon.supervisor.process.throttle import Throttle
from tests.isolation.conftest import needs_root
from tests.support.daemons import RunningDaemon, fake_tenant, running_daemon

UID = 29_992

_PREFACE = """
import json, os, signal, socket, struct, sys, time
def fd(name):
    return int(sys.argv[sys.argv.index(f"--{name}-fd") + 1])
control = socket.socket(fileno=fd("control"))
def say(step="x", **more):
    return control.send(json.dumps({"type": "warming", "step": str(step)[:64], **more}).encode())
def attempt(action):
    try:
        return action()
    except OSError as error:
        return error.strerror
"""
_STAY = "\ntime.sleep(60)\n"


@dataclass
class Heard:
    """The messages, the steps and the end of an evil encoder."""

    process: EncoderProcess
    messages: list[FromEncoder] = field(default_factory=list)
    ended: Ended | None = None

    @property
    def steps(self) -> list[str]:
        return [message.step for message in self.messages if isinstance(message, Warming)]

    async def until(self, condition: Callable[[], object], deadline_s: float = 20.0) -> None:
        async with asyncio.timeout(deadline_s):
            while not condition():  # noqa: ASYNC110  (the condition may be anything)
                await asyncio.sleep(0.01)


@asynccontextmanager
async def evil(code: str, *, sandboxed: bool = True) -> AsyncIterator[Heard]:
    """Runs `code` in place of an encoder, as the daemon starts one."""
    with TemporaryDirectory(prefix="vw-") as folder:
        root = Path(folder)
        home = DataFolder("evil", root / "tenants" / "evil", root / "accounts")
        home.give_to(UID)
        write_accounts(home.accounts, "evil", UID, home.data)
        filter_fd = seccomp.memfd() if sandboxed and seccomp.supported() else None
        prefix = Sandbox(UID, home.data, home.accounts).prefix(filter_fd) if sandboxed else []
        with sockets.bind(root / "s", 0o600) as listener:
            launch = Launch(
                tenant="evil",
                data=home.data,
                config_json=b"{}",
                listener=listener,
                log=TenantLog(root / "log" / "l"),
                prefix=[*prefix, sys.executable, "-I", "-c", _PREFACE + code],
                environment={"PATH": "/usr/bin:/bin"},
                pass_fds=() if filter_fd is None else (filter_fd,),
            )
            heard: list[Heard] = []
            running = EncoderProcess(
                launch,
                lambda _, message: heard[0].messages.append(message),
                lambda _, ended: setattr(heard[0], "ended", ended),
            )
            heard.append(Heard(running))
            try:
                yield heard[0]
            finally:
                running.kill()
                async with asyncio.timeout(20):
                    await running.ended
                launch.log.close()


async def longest_turn(seconds: float) -> float:
    """The longest that this event loop works in one go, which is how late it is for the other tenants' requests.

    In seconds of this thread's processor time: what else the machine does counts for nothing.
    """
    worst, end = 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        before = time.thread_time()
        await asyncio.sleep(0.005)
        worst = max(worst, time.thread_time() - before)
    return worst


# --- pids ---------------------------------------------------------------------------------------------

_FORGE = """
def forge(pid):
    body = json.dumps({"type": "warming", "step": "forged"}).encode()
    cred = struct.pack("3i", pid, os.getuid(), os.getgid())
    return control.sendmsg([body], [(socket.SOL_SOCKET, 2, cred)])
"""


@needs_root
async def test_a_sandboxed_encoder_cannot_forge_its_pid() -> None:
    async with evil(_FORGE + "say(attempt(lambda: forge(1)))\nsay('true')" + _STAY) as heard:
        await heard.until(lambda: len(heard.messages) == 2)
        assert heard.steps == ["Operation not permitted", "true"]
        own = heard.process.pid
        assert own is not None
        assert psutil.Process(own).uids().real == UID
        assert "-I" in psutil.Process(own).cmdline()


@needs_root
async def test_a_forged_pid_is_not_believed() -> None:
    """Forged pids of root's pass the kernel where there is no sandbox: the daemon itself must see through them."""
    code = _FORGE + f"forge({os.getpid()})\nforge(1)\nsay(os.getpid())" + _STAY
    async with evil(code, sandboxed=False) as heard:
        await heard.until(lambda: len(heard.messages) == 3)
        assert heard.steps[:2] == ["forged", "forged"]
        assert heard.process.pid == int(heard.steps[2]) not in (1, os.getpid())


@needs_root
async def test_the_pid_is_the_encoders_and_not_its_childs() -> None:
    code = """
if os.fork() == 0:
    say("child")
    os._exit(0)
os.wait()
say("parent")
"""
    async with evil(code + _STAY) as heard:
        await heard.until(lambda: len(heard.messages) == 2)
        assert heard.process.pid is not None
        assert psutil.Process(heard.process.pid).parents()[1].pid == heard.process._process.pid


# --- messages -----------------------------------------------------------------------------------------


@needs_root
@pytest.mark.parametrize(
    "packet",
    [
        "b'not json'",
        "b'[' * 16000",
        'b\'{"type":"warming","step":"\' + b"x" * 100 + b\'"}\'',
        "b'x' * 100000",
        'b\'{"type":"ready","entries":"\\xff"}\'',
        "bytes(range(256))",
    ],
)
async def test_malformed_messages_end_the_encoder(packet: str, caplog: pytest.LogCaptureFixture) -> None:
    code = f"packet = {packet}\nwhile True:\n    control.send(packet)\n"
    with caplog.at_level(logging.WARNING):
        async with evil(code) as heard:
            await heard.until(lambda: heard.ended is not None)
    assert heard.messages == []
    assert heard.process.start_problem == "it sent 100 control messages that are none"
    assert [record.message for record in caplog.records] == ["control-message-refused"]


@needs_root
async def test_a_flood_of_messages_does_not_starve_others() -> None:
    code = 'packet = b\'{"type":"changed","entries":1,"revision":1}\'\nwhile True:\n    control.send(packet)\n'
    began = time.monotonic()
    async with evil(code) as heard:
        await heard.until(lambda: heard.messages)
        worst = await longest_turn(2.0)
        took = time.monotonic() - began
        assert len(heard.messages) <= encoder_process._CONTROL_BURST + encoder_process._CONTROL_RATE * took
        assert all(isinstance(message, Changed) for message in heard.messages)
        assert worst < 0.25


@needs_root
@pytest.mark.parametrize("line", ["b'x\\n'", "b'x'", "b'{}\\n'", "b'\\x1b[2J\\xff\\n'"])
async def test_an_endless_log_does_not_starve_others(line: str) -> None:
    async with evil(f"raw = {line} * 30000\nsay()\nwhile True:\n    os.write(2, raw)\n") as heard:
        await heard.until(lambda: heard.messages)
        assert await longest_turn(2.0) < 0.25
        path = heard.process.launch.data.parent.parent / "log" / "l"
        assert path.stat().st_size < 64 << 20


@needs_root
async def test_descriptors_sent_along_are_not_taken() -> None:
    code = """
for _ in range(50):
    fds = [os.open("/dev/null", os.O_RDONLY) for _ in range(4)]
    socket.send_fds(control, [b'{"type":"warming","step":"fds"}'], fds)
    for each in fds:
        os.close(each)
say("done")
"""
    async with evil(code + _STAY) as heard:
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        await heard.until(lambda: "done" in heard.steps)
        assert len(os.listdir("/proc/self/fd")) <= before + 1  # noqa: PTH208
        assert heard.steps.count("fds") == 50


@needs_root
async def test_an_empty_message_harms_its_sender_alone() -> None:
    async with evil("say()\ncontrol.send(b'')\nsay('unheard')" + _STAY) as heard:
        await heard.until(lambda: heard.messages)
        assert await heard.process.stop(grace_s=0.2)


@needs_root
async def test_an_encoder_that_does_not_listen_is_ended() -> None:
    code = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nif os.fork(): say()\nwhile True: pass\n"
    async with evil(code) as heard:
        await heard.until(lambda: heard.process.pid is not None)
        below = psutil.Process(heard.process._process.pid).children(recursive=True)
        assert len(below) == 3  # bubblewrap's second process, and two that spin
        assert await heard.process.stop(grace_s=0.2)
        assert psutil.wait_procs(below, timeout=10)[1] == []


# --- the shared page ------------------------------------------------------------------------------------


@needs_root
async def test_the_progress_page_cannot_be_cut_off() -> None:
    """The daemon would end by SIGBUS on its next look."""
    code = """
page = fd("progress")
say(attempt(lambda: os.ftruncate(page, 0)))
say(attempt(lambda: os.truncate(f"/proc/self/fd/{page}", 0)))
os.pwrite(page, b"\\xff" * 128, 0)
say("written")
"""
    async with evil(code + _STAY) as heard:
        await heard.until(lambda: len(heard.messages) == 3)
        assert heard.steps == ["Operation not permitted", "Operation not permitted", "written"]
        reading = heard.process.progress.read()
        assert reading.started_ns <= time.monotonic_ns()


def test_an_unsealed_page_could_be_cut_off() -> None:
    """The control of the test above: without its seals, the page's size is anybody's who holds it."""
    fd = os.memfd_create("page")
    os.ftruncate(fd, PAGE_BYTES)
    assert os.fstat(fd).st_size == PAGE_BYTES
    os.ftruncate(fd, 0)
    assert os.fstat(fd).st_size == 0
    os.close(fd)


# --- bounds by themselves ---------------------------------------------------------------------------------


def test_a_throttle_lets_bursts_pass_and_bounds_the_rest() -> None:
    now = 0.0
    throttle = Throttle(10, 100, lambda: now)
    assert [throttle.spend(50), throttle.spend(50)] == [0, 0]
    assert throttle.spend(20) == 2.0
    now = 12.0
    assert throttle.spend(0) == 0
    assert throttle.spend(110) == pytest.approx(1.0)


def test_a_full_log_says_so_and_goes_on_the_next_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenant_log, "MAX_DAY_BYTES", 2000)
    log = TenantLog(tmp_path / "log" / "encoder.log")
    for _ in range(100):
        log.write_raw(b"x" * 100)
    lines = log.tail(200)
    assert lines[-1]["event"] == "log-full"
    assert (tmp_path / "log" / "encoder.log").stat().st_size < 2200
    log.close()
    again = TenantLog(tmp_path / "log" / "encoder.log")
    again.write_raw(b"x" * 100)
    assert [line["event"] for line in again.tail(2)] == ["log-full", "log-full"]
    again.close()


@pytest.mark.parametrize("line", [b'{"a":' * 10_000, b'{"a":NaN}', b'{"a":-Infinity}', b"{" * 30_000])
def test_a_log_line_that_json_chokes_on_is_kept_as_text(tmp_path: Path, line: bytes) -> None:
    log = TenantLog(tmp_path / "log" / "encoder.log")
    log.write_raw(line)
    assert log.tail(1)[0]["text"] == line.decode()
    log.close()


def test_log_lines_of_any_depth_are_taken_and_told(tmp_path: Path) -> None:
    log = TenantLog(tmp_path / "log" / "encoder.log")
    for depth in range(1, 1200, 7):
        log.write_raw(b'{"a":' * depth + b"1" + b"}" * depth)
    assert len(log.tail(1000)) == len(range(1, 1200, 7))
    log.close()


# --- the real encoder, over what was planted in its folder ---------------------------------------------------


class _Bomb:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, (str(self.mark),)


@needs_root
def test_a_pickle_in_the_index_is_not_loaded() -> None:
    with running_daemon({"acme": fake_tenant()}, isolation="strict") as running:
        running.ready("acme")
        index = running.paths.tenant("acme").index
        mark = index.parent / "boom"
        with running.client() as client:
            client.set_texts("acme", ["one entry of some length", "another entry"])
            client.wait("acme", client.stop("acme").id)
        bomb = pickle.dumps(_Bomb(mark))
        pickle.loads(bomb)  # noqa: S301  (the control: it does go off)
        assert mark.exists()
        mark.rmdir()
        files = [path for path in index.rglob("*") if path.is_file()]
        assert files
        for path in files:
            path.write_bytes(bomb)
        for name in ("index.npy", "index.pkl", "index.faiss", "vectors.npz"):
            (index / name).write_bytes(bomb)
        with running.client() as client:
            client.start("acme")
        running.ready("acme")
        _search_finds(running, "one entry of some length")
        assert not mark.exists()


def _search_finds(running: RunningDaemon, text: str) -> None:
    with running.client() as client:
        assert client.search("acme", text).results[0].text == text
