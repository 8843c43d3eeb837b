"""The table of probes, and their small tools; of the standard library alone, since they run in sandboxes."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

Target = dict[str, Any]
Probe = Callable[[Target], str]
PROBES: dict[str, Probe] = {}

LIBC = ctypes.CDLL(None, use_errno=True)


def probe(function: Probe) -> Probe:
    """Enter a function into the table; it returns in words what it reached, or raises the error that stopped it."""
    PROBES[function.__name__.replace("_", "-")] = function
    return function


def checked(result: int, what: str) -> int:
    """Return a C function's result; raises OSError when it is negative."""
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def read(path: str) -> str:
    """Read the first bytes of a file."""
    with Path(path).open("rb") as file:
        return f"{path} begins with {file.read(16)!r}"


def open_to_write(path: str) -> str:
    """Open a file for appending, and write nothing."""
    os.close(os.open(path, os.O_WRONLY | os.O_APPEND))
    return f"{path} can be written"


def first(attempt: Callable[[Any], str], subjects: list[Any]) -> str:
    """Try the subjects one by one until an attempt succeeds; raises PermissionError with all the reasons."""
    problems = []
    for subject in subjects:
        try:
            return attempt(subject)
        except (OSError, ValueError) as error:
            problems.append(str(error))
    raise PermissionError("; ".join(dict.fromkeys(problems)) or "there is nothing to try it on")
