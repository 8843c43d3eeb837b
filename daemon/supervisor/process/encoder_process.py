"""One encoder process: what it is given, what it tells, how it ends.

It inherits its listening socket, the control channel, the progress page, its configuration (a memfd), the
seed where there is one, and nothing else. Its real pid comes from SCM_CREDENTIALS on the control channel: inside a
pid namespace it can't know it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import ValidationError

from daemon.core.encoder_protocol import progress_page
from daemon.core.encoder_protocol.control import MAX_PACKET_BYTES, FromEncoder, Refused, Stop, from_encoder
from daemon.core.encoder_protocol.progress_page import ProgressReader
from daemon.core.errors import DiskFull
from daemon.core.files.plain_file import open_plain
from daemon.supervisor.logs.tenant_log import MAX_LINE_BYTES, TenantLog
from daemon.supervisor.process.throttle import Throttle, ThrottledReader

log = logging.getLogger(__name__)

SO_PASSCRED = 16  # asm-generic/socket.h; Python has it from 3.12 on some builds only
SCM_CREDENTIALS = 2
_UCRED = struct.Struct("3i")
_MAX_BUFFER = 4 * MAX_LINE_BYTES
_MAX_BAD_MESSAGES = 100
_SANDBOX_DEPTH = 2  # bubblewrap, its first process inside, the encoder; an encoder's own children are further down
# What one encoder may keep the event loop busy with: control packets a second, and bytes of its log, of which each
# line counts as one KiB at least. A chunk of the shortest lines takes some 20 ms on a busy machine.
_CONTROL_RATE, _CONTROL_BURST = 500, 1000
_LOG_RATE, _LOG_BURST = 2 << 20, 2 << 20
_LOG_CHUNK_BYTES = 1024
_LINE_COST = 1024


@dataclass(frozen=True)
class Launch:
    """How to start an encoder: the sandbox's prefix, and what the command itself needs.

    `pass_fds` are given away: they are closed here once the process has them.
    """

    tenant: str
    data: Path
    config_json: bytes
    listener: socket.socket
    log: TenantLog
    seed: Path | None = None
    prefix: Sequence[str] = ()
    environment: dict[str, str] = field(default_factory=dict)
    pass_fds: Sequence[int] = ()
    cwd: str = "/"
    program: Sequence[str] = ("-m", "daemon.encoder")  # what Python runs; tests put a hostile one here
    out_of_memory: Callable[[], str | None] = lambda: None  # asked at its end: why the kernel ended it, if it did


@dataclass(frozen=True)
class Ended:
    """How a process ended, in numbers and in words."""

    exit_code: int | None
    signal_name: str | None
    out_of_memory: str | None = None

    @property
    def words(self) -> str:
        if self.out_of_memory:
            return f"was ended by the kernel, out of memory: {self.out_of_memory}"
        if self.signal_name:
            return f"ended by {self.signal_name}"
        return f"exited with code {self.exit_code}"


class EncoderProcess:
    """A running encoder. `on_message` and `on_end` are called on the event loop."""

    def __init__(
        self, launch: Launch, on_message: Callable[[EncoderProcess, FromEncoder], None],
        on_end: Callable[[EncoderProcess, Ended], None],
    ) -> None:  # fmt: skip
        self.launch = launch
        self._on_message = on_message
        self._on_end = on_end
        self.pid: int | None = None  # the encoder's own, as the host sees it
        self.started = time.monotonic()
        self.ready_at: float | None = None
        self.hung_call_started: float | None = None  # monotonic seconds; set when it was found hung
        self.hung_because: str | None = None
        self.refusal: Refused | None = None
        self.start_problem: str | None = None
        self.ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._pidfd: int | None = None
        self._bad_messages = 0
        progress_fd = progress_page.create()
        self.progress = ProgressReader(progress_fd)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        ours.setsockopt(socket.SOL_SOCKET, SO_PASSCRED, 1)
        ours.setblocking(False)
        self._control = ours
        try:
            self._process = self._spawn(theirs, progress_fd)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
            for fd in (progress_fd, *launch.pass_fds):
                os.close(fd)
        self._watch()

    def _spawn(self, control: socket.socket, progress_fd: int) -> subprocess.Popen[bytes]:
        launch = self.launch
        config_fd = _memfd(launch.config_json)
        seed_fd = open_plain(launch.seed) if launch.seed else None
        fds = {"--listen-fd": launch.listener.fileno(), "--control-fd": control.fileno(),
               "--progress-fd": progress_fd, "--config-fd": config_fd}  # fmt: skip
        if seed_fd is not None:
            fds["--seed-fd"] = seed_fd
        command = [
            *launch.prefix,
            sys.executable,
            *launch.program,
            "--tenant",
            launch.tenant,
            "--data",
            str(launch.data),
        ]
        for option, fd in fds.items():
            command += [option, str(fd)]
        try:
            return subprocess.Popen(  # noqa: S603  (the command is ours; tenant names match NAME)
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[*fds.values(), *launch.pass_fds],
                env=launch.environment,
                cwd=launch.cwd,
                umask=0o077,  # what a tenant writes is the tenant's alone
                start_new_session=True,  # a terminal's Ctrl-C is for the daemon, which then stops encoders in order
            )
        finally:
            os.close(config_fd)
            if seed_fd is not None:
                os.close(seed_fd)

    # --- watching -------------------------------------------------------------------------------------

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        assert self._process.stderr is not None
        self._stderr = self._process.stderr.fileno()
        self._line = bytearray()
        os.set_blocking(self._stderr, False)
        self._wait_fd = os.pidfd_open(self._process.pid)
        log_pace, control_pace = Throttle(_LOG_RATE, _LOG_BURST), Throttle(_CONTROL_RATE, _CONTROL_BURST)
        self._stderr_reader = ThrottledReader(self._stderr, self._read_stderr, log_pace)
        self._control_reader = ThrottledReader(self._control.fileno(), self._read_control, control_pace)
        loop.add_reader(self._wait_fd, self._reap)

    def _read_stderr(self) -> float:
        try:
            chunk = os.read(self._stderr, _LOG_CHUNK_BYTES)
        except BlockingIOError:
            return 0
        if not chunk:
            self._stderr_reader.stop()
            return 0
        self._take_lines(chunk)
        return max(len(chunk), _LINE_COST * chunk.count(b"\n"))

    def _take_lines(self, chunk: bytes) -> None:
        self._line += chunk
        if b"\n" not in chunk and len(self._line) <= _MAX_BUFFER:
            return
        *lines, rest = bytes(self._line).split(b"\n")
        if len(rest) > _MAX_BUFFER:  # an endless line: cut it here, with its mark
            lines, rest = [*lines, rest], b""
        self._line = bytearray(rest)
        for line in lines:
            if line:
                self.launch.log.write_raw(line)

    def _read_control(self) -> bool:
        """Takes one packet; False when there is none."""
        try:
            packet, ancillary, flags, _ = self._control.recvmsg(MAX_PACKET_BYTES, socket.CMSG_SPACE(_UCRED.size))
        except BlockingIOError:
            return False
        except OSError:
            packet, ancillary, flags = b"", [], 0
        if not packet:
            self._control_reader.stop()
            return False
        self._learn_pid(ancillary)
        self._take_message(packet, flags)
        return True

    def _take_message(self, packet: bytes, flags: int) -> None:
        try:
            message = from_encoder.validate_json(packet)
        except ValidationError:
            self._on_bad_message(len(packet), flags)
            return
        if self.refusal is not None:
            return  # it has said its last word
        if isinstance(message, Refused):
            if message.kind == DiskFull.kind:  # it passes: a crash with a cause, so that it is tried again
                self.start_problem = message.reason
                return
            self.refusal = message
        self._on_message(self, message)

    def _on_bad_message(self, size: int, flags: int) -> None:
        self._bad_messages += 1
        if self._bad_messages == 1:
            log.warning("control-message-refused", extra={"tenant": self.launch.tenant, "bytes": size, "flags": flags})
        elif self._bad_messages == _MAX_BAD_MESSAGES:
            self.start_problem = f"it sent {_MAX_BAD_MESSAGES} control messages that are none"
            self.kill()

    def _learn_pid(self, ancillary: list[tuple[int, int, bytes]]) -> None:
        if self.pid is not None:
            return
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == SCM_CREDENTIALS:
                self._believe(_UCRED.unpack(data[: _UCRED.size])[0])

    def _believe(self, pid: int) -> None:
        """Looks after opening: should the number have a new owner by then, the descriptor is the old one's."""
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            return  # a child of the encoder's that has ended; the next message tells
        if _descends_from(pid, self._process.pid, _SANDBOX_DEPTH if self.launch.prefix else 0):
            self.pid, self._pidfd = pid, pidfd
        else:
            os.close(pidfd)

    def _reap(self) -> None:
        loop = asyncio.get_running_loop()
        code = self._process.wait()  # pidfd is readable: it has ended
        loop.remove_reader(self._wait_fd)
        self._stderr_reader.stop()
        self._drain_control()
        self._drain_stderr()
        self._control_reader.stop()
        self._control.close()
        os.close(self._wait_fd)
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None
        assert self._process.stderr is not None
        self._process.stderr.close()
        self.progress.close()
        ended = Ended(None, signal.Signals(-code).name) if code < 0 else Ended(code, None)
        if code > 128 and self.launch.prefix:  # bwrap passes its child's signal on as 128 + n
            ended = Ended(None, signal.Signals(code - 128).name) if code - 128 in signal.valid_signals() else ended
        ended = replace(ended, out_of_memory=self.launch.out_of_memory())
        if not self.ended.done():
            self.ended.set_result(ended)
        self._on_end(self, ended)

    def _drain_control(self) -> None:
        """A refusal may have been sent in the last moment."""
        for _ in range(100):
            if not self._read_control():
                return

    def _drain_stderr(self) -> None:
        for _ in range(64):
            try:
                chunk = os.read(self._stderr, 65536)
            except BlockingIOError:
                break
            if not chunk:
                break
            self._take_lines(chunk)
        if self._line:
            self.launch.log.write_raw(bytes(self._line))
            self._line.clear()

    # --- ending ---------------------------------------------------------------------------------------

    async def stop(self, grace_s: float, kill_wait_s: float = 20.0) -> bool:
        """The ladder: ask, then SIGTERM, then SIGKILL. False when even that did not end it."""
        self._tell_stop()
        if await self._ended_within(grace_s / 2):
            return True
        self._signal(signal.SIGTERM)
        if await self._ended_within(grace_s / 2):
            return True
        self.kill()
        return await self._ended_within(kill_wait_s)

    def kill(self) -> None:
        """SIGKILL, to the encoder and to its sandbox."""
        self._signal(signal.SIGKILL)
        if self._process.returncode is None:
            self._process.kill()

    def _tell_stop(self) -> None:
        try:
            self._control.send(Stop().model_dump_json().encode())
        except OSError as error:  # it is gone, or does not read: the ladder goes on
            log.info("control-send-failed", extra={"tenant": self.launch.tenant, "reason": str(error)})

    def _signal(self, number: signal.Signals) -> None:
        if self._pidfd is not None:
            try:
                signal.pidfd_send_signal(self._pidfd, number)
            except ProcessLookupError:
                return
        elif self._process.returncode is None and not self.launch.prefix:
            self._process.send_signal(number)

    async def _ended_within(self, seconds: float) -> bool:
        await asyncio.wait([self.ended], timeout=seconds)
        return self.ended.done()

    def mark_hung(self, call_started: float, because: str) -> None:
        """Note that it was found hung; `call_started` in monotonic seconds, 0 where it is in no call."""
        self.hung_call_started, self.hung_because = call_started, because

    @property
    def hung(self) -> bool:
        return self.hung_call_started is not None


def _memfd(content: bytes) -> int:
    fd = os.memfd_create("vecward-config", os.MFD_CLOEXEC)
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _descends_from(pid: int, ancestor: int, generations: int) -> bool:
    """Whether `pid` is `ancestor` or at most so far below it, by /proc: a forged pid is not believed."""
    for _ in range(generations):
        if pid == ancestor:
            return True
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return False
        pid = int(stat.rpartition(")")[2].split()[1])
    return pid == ancestor
