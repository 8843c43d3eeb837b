"""The daemon's process, `python -m daemon`: wiring only.

Exit codes: 0 ended as asked, 1 refused to start.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import pwd
import resource
import signal
import socket
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import uvicorn
import uvloop

from daemon.api.app import create_app
from daemon.api.connections.protocol import ServerProtocol
from daemon.api.pipeline.front import Front
from daemon.core import logs
from daemon.core.config.daemon_config import DaemonConfig, load_config
from daemon.core.errors import InvalidConfig, VecwardError
from daemon.core.files import disk, locks
from daemon.core.http import sockets
from daemon.core.paths import Paths
from daemon.supervisor.manager import Manager

log = logging.getLogger(__name__)

DRAIN_S = 5


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to `serve` below."""
        yield


async def serve(paths: Paths, config: DaemonConfig) -> None:
    """Run until SIGTERM or SIGINT, then drain for a bounded time."""
    listeners = [sockets.bind(paths.daemon_socket, 0o666), _console_listener(paths, config)]
    try:
        manager = Manager(paths, config)
        app = create_app(manager)
        server = _server(app)

        def end(number: int) -> None:
            log.info("daemon-stopping", extra={"signal": signal.Signals(number).name})
            app.end_streams()
            server.should_exit = True

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end, number)
        loop.add_signal_handler(signal.SIGHUP, manager.reload.ask)
        try:
            await manager.open()
            await server.serve(sockets=listeners)
        finally:
            app.close()
            await manager.close()
    finally:
        _remove(paths, listeners)


def _server(app: Front) -> _Server:
    config = uvicorn.Config(
        app,
        http=ServerProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=DRAIN_S,
    )
    return _Server(config)


def _console_listener(paths: Paths, config: DaemonConfig) -> socket.socket:
    listener = sockets.bind(paths.console_socket, 0o600)
    user = config.console.user
    if user is not None and os.getuid() == 0:
        try:
            entry = pwd.getpwnam(user)
        except KeyError:
            raise _no_such_user(paths.daemon_yaml, user) from None
        os.chown(paths.console_socket, entry.pw_uid, entry.pw_gid)
    return listener


def _no_such_user(file: Path, user: str) -> InvalidConfig:
    return InvalidConfig(
        f"cannot give the console its socket: console.user {user} is no user of this host; create it, "
        f"or name another in {file}",
        file=str(file),
        field="console.user",
        value=user,
        allowed="a user of this host",
    )


def _remove(paths: Paths, listeners: list[socket.socket]) -> None:
    for listener in listeners:
        listener.close()
    paths.daemon_socket.unlink(missing_ok=True)
    paths.console_socket.unlink(missing_ok=True)


def _raise_file_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="vecward daemon", description="The daemon, in the foreground.")
    parser.add_argument("--root", type=Path, help="keep everything below this folder (default: the system's paths)")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    arguments = parser.parse_args(argv)
    logs.setup(arguments.log_level)
    os.umask(0o022)
    try:
        paths = Paths.choose(arguments.root)
        paths.check_socket_lengths([])
        config = load_config(paths.daemon_yaml)
        paths.run.mkdir(parents=True, exist_ok=True, mode=0o755)
        lock = locks.hold(paths.lock, "the daemon")
        _raise_file_limit()
        try:
            logs.also_to(paths.daemon_log)
            uvloop.run(serve(paths, config))
        finally:
            locks.release(lock, paths.lock)
    except VecwardError as error:
        print(f"vecward: {error.kind}: {error.message}", file=sys.stderr)  # noqa: T201
        return 1
    except (OSError, sqlite3.Error) as error:
        if not disk.is_full(error):
            raise
        print(f"vecward: disk-full: cannot start: a disk is full ({error}); make room on it", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
