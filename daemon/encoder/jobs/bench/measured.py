"""An encoder process under test, started and stopped as the daemon starts and stops encoders."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from pydantic import ValidationError

from daemon.core.config.tenant_config import TenantConfig
from daemon.core.encoder_protocol import progress_page
from daemon.core.encoder_protocol.control import MAX_PACKET_BYTES, Ready, Refused, Stop, from_encoder
from daemon.core.errors import StartRefused
from daemon.core.http import sockets
from daemon.core.process_memory import resident_mb

_END_S = 10.0


class Measured:
    """An encoder, used as ``async with Measured(…) as encoder:``: it is ready then, `start_s` after its beginning."""

    def __init__(self, tenant: str, data: Path, config: TenantConfig) -> None:
        self._tenant = tenant
        self._data = data
        self._config = config
        self.socket = Path("s")  # in the working folder, see `copied.folder`
        self.start_s = 0.0

    async def __aenter__(self) -> Measured:
        began = time.perf_counter()
        self._spawn()
        try:
            self.ready = await self._until_ready()
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        self.start_s = time.perf_counter() - began
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._control.send(Stop().model_dump_json().encode())
            await asyncio.to_thread(self._process.wait, _END_S)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._control.close()

    @property
    def memory_mb(self) -> float | None:
        """Resident memory in MiB."""
        return resident_mb(self._process.pid)

    def _spawn(self) -> None:
        listener = sockets.bind(self.socket, 0o600)
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.setblocking(False)
        memory = os.memfd_create("vecward-config")
        os.write(memory, self._config.model_dump_json().encode())
        fds = {"listen": listener.fileno(), "control": theirs.fileno(), "config": memory}
        fds["progress"] = progress_page.create()
        command = [sys.executable, "-m", "daemon.encoder", "--tenant", self._tenant, "--data", str(self._data)]
        for name, fd in fds.items():
            command += [f"--{name}-fd", str(fd)]
        try:
            self._process = subprocess.Popen(command, pass_fds=list(fds.values()), stdout=2)  # noqa: S603  (ours)
        finally:
            listener.close()
            theirs.close()
            os.close(fds["progress"])
            os.close(memory)

    async def _until_ready(self) -> Ready:
        """Wait until the encoder is ready. Raises StartRefused."""
        loop = asyncio.get_running_loop()
        while packet := await loop.sock_recv(self._control, MAX_PACKET_BYTES):
            try:
                message = from_encoder.validate_json(packet)
            except ValidationError:
                continue
            if isinstance(message, Ready):
                return message
            if isinstance(message, Refused):
                raise StartRefused(message.reason)
        raise StartRefused(f"cannot measure: the encoder ended while it started, with {self._process.wait()}")
