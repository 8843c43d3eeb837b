"""The pool of read-only connections, and the gate that keeps readers out while files are swapped."""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.core.errors import InternalError, Unavailable
from daemon.encoder.knowledge.file import connections


class Readers:
    """Read-only connections, for any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: deque[sqlite3.Connection] = deque()
        self._gate = threading.Condition()
        self._reading = 0
        self._shut = False
        self._closed = False

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection, after a swap under way."""
        with self._through_gate():
            db = self._take()
            try:
                yield db
            finally:
                self._give_back(db)

    @contextmanager
    def _through_gate(self) -> Iterator[None]:
        with self._gate:
            self._gate.wait_for(lambda: not self._shut)
            self._reading += 1
        try:
            yield
        finally:
            with self._gate:
                self._reading -= 1
                self._gate.notify_all()

    def _take(self) -> sqlite3.Connection:
        if self._closed:
            raise InternalError(f"cannot read {self._path}: it is closed")
        try:
            return self._idle.pop()
        except IndexError:
            return connections.reader(self._path)

    def _give_back(self, db: sqlite3.Connection) -> None:
        self._idle.append(db)
        if self._closed:
            self.close_idle()

    @contextmanager
    def held_back(self, wait_s: float) -> Iterator[None]:
        """Keep readers out. Raises Unavailable when reads under way take longer than `wait_s`."""
        with self._gate:
            self._shut = True
            try:
                if not self._gate.wait_for(lambda: self._reading == 0, wait_s):
                    raise Unavailable("cannot swap the knowledge base: it is being read; try again")
                yield
            finally:
                self._shut = False
                self._gate.notify_all()

    def close_idle(self) -> None:
        """Close the connections that nobody uses; others are opened when they are needed."""
        while self._idle:
            self._idle.pop().close()

    def close(self) -> None:
        """Close all connections, those in use when they come back."""
        self._closed = True
        self.close_idle()
