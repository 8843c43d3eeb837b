"""Signals that this process was started to ignore, as by nohup or by `&` in a script."""

from __future__ import annotations

import signal
from pathlib import Path


def reset_in_children() -> None:
    """Let children start with the default action for SIGINT and SIGHUP, while this process goes on ignoring them.

    An ignored signal stays ignored through fork and exec, and a test that sends it to a child would wait for ever.
    A handler becomes the default action at exec; this one does nothing.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def signals_of(pid: int, mask: str) -> set[int]:
    """Return the signals in a process's mask: SigIgn (ignored), SigCgt (handled) or another of proc(5)."""
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(f"{mask}:"))
    bits = int(line.split()[1], 16)
    return {number for number in signal.valid_signals() if bits >> (number - 1) & 1}
