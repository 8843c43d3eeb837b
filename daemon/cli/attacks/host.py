"""Things of the host that lie open to every user of it, for attacks which only a namespace stops."""

from __future__ import annotations

import ctypes
import os
import secrets
import socket
import stat
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

_IPC_CREAT, _IPC_RMID = 0o1000, 0
_OPEN = 0o666


class HostThings:
    """Sockets, shared memory, semaphores, queues and a device node; probes find them by `names`."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._libc = ctypes.CDLL(None, use_errno=True)

    def __enter__(self) -> HostThings:
        word = f"vecward-{secrets.token_hex(6)}"
        key = secrets.randbelow(1 << 30) + 1
        port = self._listen(socket.AF_INET, ("127.0.0.1", 0)).getsockname()[1]
        self.listener = self._listen(socket.AF_UNIX, f"\0{word}")
        self._shared_memory(word)
        self._system_v(key)
        self._queue(f"/{word}")
        self.gpu_node = self._device_node(word)
        self.names: dict[str, Any] = {
            "port": port,
            "abstract": word,
            "inherited": self.listener.fileno(),
            "shm": word,
            "key": key,
            "queue": f"/{word}",
        }
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _listen(self, family: socket.AddressFamily, address: Any) -> socket.socket:
        listener = self._stack.enter_context(socket.socket(family))
        listener.bind(address)
        listener.listen()
        return listener

    def _shared_memory(self, word: str) -> None:
        path = Path("/dev/shm", word)  # noqa: S108
        path.write_bytes(b"shared")
        self._stack.callback(path.unlink)
        path.chmod(_OPEN)

    def _system_v(self, key: int) -> None:
        libc = self._libc
        segment = libc.shmget(key, 4096, _IPC_CREAT | _OPEN)
        self._stack.callback(libc.shmctl, segment, _IPC_RMID, None)
        semaphore = libc.semget(key, 1, _IPC_CREAT | _OPEN)
        self._stack.callback(libc.semctl, semaphore, 0, _IPC_RMID)
        queue = libc.msgget(key, _IPC_CREAT | _OPEN)
        self._stack.callback(libc.msgctl, queue, _IPC_RMID, None)

    def _queue(self, name: str) -> None:
        mask = os.umask(0)
        try:
            queue = self._libc.mq_open(name.encode(), os.O_CREAT | os.O_RDWR, _OPEN, None)
        finally:
            os.umask(mask)
        if queue >= 0:
            self._stack.callback(os.close, queue)
            self._stack.callback(self._libc.mq_unlink, name.encode())

    def _device_node(self, word: str) -> Path:
        """Make another name of /dev/null, where GPUs' nodes lie; it stands for one of them."""
        path = Path("/dev", word)
        with suppress(PermissionError):  # in a container without CAP_MKNOD the attack stays unproven
            os.mknod(path, stat.S_IFCHR | _OPEN, os.makedev(1, 3))
            self._stack.callback(path.unlink)
            path.chmod(_OPEN)
        return path
