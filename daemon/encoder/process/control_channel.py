"""The encoder's end of the control channel. Its end of file means: the daemon is gone, nobody may be served."""

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
    """`tell` may be called from any thread. `on_stop` is called once, on the reading thread."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._socket.setblocking(True)
        self._on_stop: Callable[[], object] = _leave
        self._stopped = False
        self._lock = threading.Lock()

    def start(self) -> None:
        threading.Thread(target=self._read, name="control", daemon=True).start()

    def tell(self, message: BaseModel, *, wait: bool = False) -> bool:
        """Whether the packet left. With `wait` it always does; without, a daemon that does not read blocks nobody."""
        flags = socket.MSG_NOSIGNAL | (0 if wait else socket.MSG_DONTWAIT)
        try:
            self._socket.send(message.model_dump_json().encode(), flags)
        except BlockingIOError:
            return False
        except OSError:
            _leave()
        return True

    def when_stopped(self, callback: Callable[[], object]) -> None:
        """From now on `Stop` calls this; before, it ends the process."""
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
    """At once: what is committed is on disk, everything else is lost in a crash, too."""
    os._exit(0)
