"""An interpreter of classic BPF as seccomp uses it (linux/filter.h): a kernel runs the filters of its machine alone."""

from __future__ import annotations

import struct
from collections.abc import Sequence

ALLOWED, KILLED = "allowed", "killed"
_ALLOW, _KILL_PROCESS = 0x7FFF0000, 0x80000000


def verdict(program: bytes, audit: int, number: int, arguments: Sequence[int] = ()) -> str | int:
    """The filter's answer to a system call: ALLOWED, KILLED, or the error that the caller gets."""
    words = [*arguments, *[0] * (6 - len(arguments))]
    returned = _run(program, struct.pack("<iIQ6Q", number, audit, 0, *words))
    if returned == _ALLOW:
        return ALLOWED
    return KILLED if returned == _KILL_PROCESS else returned & 0xFFFF


def _run(program: bytes, data: bytes) -> int:
    """The value that the program returns; an unknown instruction or a jump past the end is an error."""
    steps = list(struct.iter_unpack("<HBBI", program))
    at = accumulator = 0
    while True:
        code, if_true, if_false, value = steps[at]
        at += 1
        if code == 0x06:  # return
            return int(value)
        if code == 0x20:  # load a word
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif code == 0x54:  # and
            accumulator &= value
        elif code == 0x05:  # jump
            at += value
        else:
            at += if_true if _holds(code, accumulator, value) else if_false


def _holds(code: int, accumulator: int, value: int) -> bool:
    return {
        0x15: accumulator == value,
        0x25: accumulator > value,
        0x35: accumulator >= value,
        0x45: bool(accumulator & value),
    }[code]
