"""The encoder's end of the control channel. When the other end closes, the daemon is gone: nobody may be served."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from collections.abc import Callable

from pydantic import BaseModel

from daemon.core.encoder_protocol.control import MAX_PACKET_BYTES

log = logging.getLogger(__name__)


class ControlChannel:
    """Packets to the daemon, from any thread, and its `Stop`, which a thread of its own waits for."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._socket.setblocking(True)
        self._on_stop: Callable[[], object] = _leave
        self._stopped = False
        self._lock = threading.Lock()

    def start(self) -> None:
        threading.Thread(target=self._read, name="control", daemon=True).start()

    def send(self, message: BaseModel, *, wait: bool = False) -> bool:
        """Send a packet; False: the daemon does not read, and nobody may be kept waiting for it unless `wait`."""
        flags = socket.MSG_NOSIGNAL | (0 if wait else socket.MSG_DONTWAIT)
        try:
            self._socket.send(message.model_dump_json().encode(), flags)
        except BlockingIOError:
            return False
        except OSError:
            _leave()
        return True

    def when_stopped(self, callback: Callable[[], object]) -> None:
        """Set the function that `Stop` calls, once, on the reading thread; before, `Stop` ends the process."""
        with self._lock:
            self._on_stop = callback
            stopped = self._stopped
        if stopped:
            callback()

    def _read(self) -> None:
        while packet := self._receive():
            if _is_stop(packet):
                with self._lock:
                    self._stopped = True
                    callback = self._on_stop
                callback()
        _leave()

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(MAX_PACKET_BYTES)
        except OSError:
            return b""


def _is_stop(packet: bytes) -> bool:
    try:
        message = json.loads(packet)
    except ValueError:
        return False
    return isinstance(message, dict) and message.get("type") == "stop"


def _leave() -> None:
    """End the process at once: what is committed is on disk, and a crash would lose the rest as well."""
    os._exit(0)
