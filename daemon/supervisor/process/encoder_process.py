"""A running encoder process: its messages on the control channel, its log, its end.

The daemon learns its pid from the credentials (SCM_CREDENTIALS) of its messages: inside its pid namespace the encoder
does not know the number that it has outside.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from daemon.core.encoder_protocol import progress_page
from daemon.core.encoder_protocol.control import MAX_PACKET_BYTES, FromEncoder, Refused, Stop, from_encoder
from daemon.core.encoder_protocol.progress_page import ProgressReader
from daemon.core.errors import DiskFull
from daemon.supervisor.process.ended import Ended
from daemon.supervisor.process.launch import Launch, start_process
from daemon.supervisor.process.log_pipe import LogPipe
from daemon.supervisor.process.throttle import Throttle, ThrottledReader

log = logging.getLogger(__name__)

SO_PASSCRED = 16  # asm-generic/socket.h; Python has it from 3.12 on some builds only
SCM_CREDENTIALS = 2
_UCRED = struct.Struct("3i")
_MAX_BAD_MESSAGES = 100
_SANDBOX_DEPTH = 2  # bubblewrap, its first process inside, the encoder; an encoder's own children are further down
# Packets that one encoder may keep the event loop busy with, a second and at once.
_CONTROL_RATE, _CONTROL_BURST = 500, 1000
_LAST_PACKETS = 100  # read at the process's end without a throttle

OnMessage = Callable[["EncoderProcess", FromEncoder], None]
OnEnd = Callable[["EncoderProcess", Ended], None]


class EncoderProcess:
    """A running encoder; it calls `on_message` and `on_end` on the event loop."""

    def __init__(self, launch: Launch, on_message: OnMessage, on_end: OnEnd) -> None:
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
            self._process = start_process(launch, theirs, progress_fd)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
            for fd in (progress_fd, *launch.pass_fds):
                os.close(fd)
        self._watch()

    # --- watching -------------------------------------------------------------------------------------

    def _watch(self) -> None:
        assert self._process.stderr is not None
        self._log_pipe = LogPipe(self._process.stderr.fileno(), self.launch.log)
        pace = Throttle(_CONTROL_RATE, _CONTROL_BURST)
        self._control_reader = ThrottledReader(self._control.fileno(), self._read_control, pace)
        self._wait_fd = os.pidfd_open(self._process.pid)
        asyncio.get_running_loop().add_reader(self._wait_fd, self._reap)

    def _read_control(self) -> bool:
        """Take one packet; False when there is none."""
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
        """Take the pid for the encoder's if the process descends from ours.

        The look comes after the opening: should the number have a new owner by then, the descriptor is the old one's.
        """
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            return  # a child of the encoder's that has ended; the next message tells
        if _descends_from(pid, self._process.pid, _SANDBOX_DEPTH if self.launch.prefix else 0):
            self.pid, self._pidfd = pid, pidfd
        else:
            os.close(pidfd)

    def _reap(self) -> None:
        asyncio.get_running_loop().remove_reader(self._wait_fd)
        code = self._process.wait()  # the pidfd is readable: it has ended
        self._log_pipe.stop()
        self._drain_control()
        self._log_pipe.drain()
        self._close()
        ended = Ended.of(code, sandboxed=bool(self.launch.prefix), out_of_memory=self.launch.out_of_memory())
        if not self.ended.done():
            self.ended.set_result(ended)
        self._on_end(self, ended)

    def _drain_control(self) -> None:
        """Take what was sent in the last moment, a refusal perhaps."""
        for _ in range(_LAST_PACKETS):
            if not self._read_control():
                return

    def _close(self) -> None:
        self._control_reader.stop()
        self._control.close()
        os.close(self._wait_fd)
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None
        assert self._process.stderr is not None
        self._process.stderr.close()
        self.progress.close()

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


def _descends_from(pid: int, ancestor: int, generations: int) -> bool:
    """Tell by /proc whether `pid` is `ancestor` or at most so far below it: a forged pid is not believed."""
    for _ in range(generations):
        if pid == ancestor:
            return True
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return False
        pid = int(stat.rpartition(")")[2].split()[1])
    return pid == ancestor
