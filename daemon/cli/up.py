"""The command `vecward up`: daemon and console in the foreground, ended together."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING

import typer

from daemon.cli.output import fail, note, print_json
from daemon.cli.parts import Port, command_line, port_option
from daemon.cli.settings import Json, Settings, settings
from daemon.core.errors import Conflict, Invalid

if TYPE_CHECKING:
    import asyncio

    from daemon.cli.children import Child, Part


def up(ctx: typer.Context, port: Port = None, as_json: Json = False) -> None:
    """Run daemon and console in the foreground; Ctrl-C ends both."""
    import asyncio

    from daemon.core.config.daemon_config import load_config

    chosen = settings(ctx)
    config = load_config(chosen.paths.daemon_yaml).console
    address = (config.host, port or config.port)
    check_port(*address)
    parts = _parts(chosen, port, config.user)
    where = {"socket": str(chosen.paths.daemon_socket), "console": f"http://{_in_url(address[0])}:{address[1]}"}
    code = asyncio.run(_run(parts, where, as_json))
    raise typer.Exit(code)


def _parts(chosen: Settings, port: int | None, console_user: str | None) -> list[Part]:
    from daemon.cli.children import Part

    return [
        Part("daemon", command_line("daemon", chosen.root)),
        Part("console", command_line("console", chosen.root, *port_option(port)), console_user),
    ]


def check_port(host: str, port: int) -> None:
    """Try the console's port; raises Conflict when somebody has it, Invalid when it can't be had at all."""
    import errno

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            where = f"{host}:{port}"
            if error.errno == errno.EADDRINUSE:
                message = f"cannot start the console: {where} is in use; stop what uses it or choose another --port"
                raise Conflict(message, port=port) from None
            message = f"cannot start the console on {where}: {error.strerror or error}; see console in daemon.yaml"
            allowed = "an address of this host and a free port"
            raise Invalid(message, field="console.host", value=where, allowed=allowed) from None


async def _run(parts: list[Part], where: dict[str, str], as_json: bool) -> int:
    """Run the parts until one ends or a signal comes, then end the rest; return the exit code."""
    import asyncio

    from daemon.cli import children

    asked, hurry = asyncio.Event(), asyncio.Event()  # a second signal does not wait any longer
    for number in _ending_signals():
        asyncio.get_running_loop().add_signal_handler(number, lambda: hurry.set() if asked.is_set() else asked.set())
    running: list[Child] = []
    first: Child | None = None
    try:
        for part in parts:
            running.append(await children.spawn(part))
        _announce(running, where, as_json)
        first = await _first_end(running, asked)
    finally:
        asked.set()
        await children.stop(running, hurry)
    return _verdict(first, running)


def _ending_signals() -> list[signal.Signals]:
    """Return the signals that end `up`; not SIGHUP under nohup, where a closed terminal is to end nothing."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [signal.SIGINT, signal.SIGTERM, *([] if ignored else [signal.SIGHUP])]


def _announce(running: list[Child], where: dict[str, str], as_json: bool) -> None:
    if as_json:
        print_json({**where, "pids": {child.part.name: child.process.pid for child in running}})
    else:
        note(f"daemon on {where['socket']}, console on {where['console']}; Ctrl-C ends both")


async def _first_end(running: list[Child], asked: asyncio.Event) -> Child | None:
    """Wait for the part that ends by itself, or None when a signal comes first."""
    import asyncio

    signalled = asyncio.create_task(asked.wait())
    await asyncio.wait([signalled, *(child.ended for child in running)], return_when=asyncio.FIRST_COMPLETED)
    signalled.cancel()
    if asked.is_set():
        return None
    first = next(child for child in running if child.ended.done())
    note(f"the {first.part.name} ended with code {first.code}; ending the rest")
    return first


def _verdict(first: Child | None, running: list[Child]) -> int:
    if first is not None:
        return first.code or 0
    killed = [child.part.name for child in running if child.code == 128 + signal.SIGKILL]
    if killed:
        fail("interrupted", f"cannot end {' and '.join(killed)} by TERM: killed")
    return 0


def _in_url(host: str) -> str:
    if host in ("0.0.0.0", "::"):  # noqa: S104 (compared, not bound)
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
