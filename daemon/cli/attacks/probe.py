"""What probes share: their table, and small tools. Python's standard library alone: this runs in sandboxes."""

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
    """A probe answers in words what it reached, or raises what stopped it; its name is the function's."""
    PROBES[function.__name__.replace("_", "-")] = function
    return function


def checked(result: int, what: str) -> int:
    """A C function's result. Raises OSError when it is negative."""
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def read(path: str) -> str:
    with Path(path).open("rb") as file:
        return f"{path} begins with {file.read(16)!r}"


def open_to_write(path: str) -> str:
    """Opens for appending, and writes nothing."""
    os.close(os.open(path, os.O_WRONLY | os.O_APPEND))
    return f"{path} can be written"


def first(attempt: Callable[[Any], str], subjects: list[Any]) -> str:
    """What the first attempt that succeeds reached; else raises all the reasons."""
    problems = []
    for subject in subjects:
        try:
            return attempt(subject)
        except (OSError, ValueError) as error:
            problems.append(str(error))
    raise PermissionError("; ".join(dict.fromkeys(problems)) or "there is nothing to try it on")
