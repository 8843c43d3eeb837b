"""The end of a process, in numbers and in words."""

from __future__ import annotations

import signal
from dataclasses import dataclass


@dataclass(frozen=True)
class Ended:
    """Either an exit code or a signal; `out_of_memory` says why the kernel ended it, if it did."""

    exit_code: int | None
    signal_name: str | None
    out_of_memory: str | None = None

    @classmethod
    def of(cls, code: int, *, sandboxed: bool, out_of_memory: str | None) -> Ended:
        """Read the code that waiting for a process returns; bubblewrap passes its child's signal on as 128 + n."""
        number = -code if code < 0 else code - 128 if sandboxed else 0
        if number in signal.valid_signals():
            return cls(None, _name(number), out_of_memory)
        return cls(code, None, out_of_memory)

    @property
    def words(self) -> str:
        if self.out_of_memory:
            return f"was ended by the kernel, out of memory: {self.out_of_memory}"
        if self.signal_name:
            return f"ended by {self.signal_name}"
        return f"exited with code {self.exit_code}"


def _name(number: int) -> str:
    """Name a signal; most real-time signals have a number alone."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
