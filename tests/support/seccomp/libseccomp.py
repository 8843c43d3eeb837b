"""The sandbox's filter as libseccomp.so.2 makes it from names of system calls: its tables, its compiler."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Sequence

_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_BAD_ARCH_ACTION = 2  # SCMP_FLTATR_ACT_BADARCH
LESS, EQUAL, GREATER, MASKED_EQUAL = 2, 4, 6, 7  # enum scmp_compare


class Comparison(ctypes.Structure):
    """The condition of a rule, `struct scmp_arg_cmp`: an argument's place, a comparison, and one or two data."""

    _fields_ = [
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    ]


class Filter:
    """A filter for one architecture (its AUDIT_ARCH) that allows what no rule refuses.

    Raises OSError where the library is not installed.
    """

    def __init__(self, audit: int) -> None:
        self._library = ctypes.CDLL("libseccomp.so.2")
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(ctypes.c_uint32(_ALLOW)))
        native = self._library.seccomp_arch_native
        native.restype = ctypes.c_uint32
        if native() != audit:
            self._call("seccomp_arch_add", ctypes.c_uint32(audit))
            self._call("seccomp_arch_remove", ctypes.c_uint32(native()))
        self._call("seccomp_attr_set", ctypes.c_int(_BAD_ARCH_ACTION), ctypes.c_uint32(_KILL_PROCESS))

    def refuse(self, name: str, error: int, conditions: Sequence[Comparison] = ()) -> None:
        """Refuse a call, by its name; one that the architecture does not have is left out."""
        number = self._library.seccomp_syscall_resolve_name(name.encode())
        assert number != -1, f"libseccomp knows no {name}"
        array = (Comparison * len(conditions))(*conditions)
        action = ctypes.c_uint32(_ERRNO | error)
        self._call("seccomp_rule_add_array", action, ctypes.c_int(number), ctypes.c_uint(len(conditions)), array)

    def program(self) -> bytes:
        """The filter's instructions."""
        fd = os.memfd_create("libseccomp")
        try:
            self._call("seccomp_export_bpf", ctypes.c_int(fd))
            return os.pread(fd, 1 << 20, 0)
        finally:
            os.close(fd)

    def release(self) -> None:
        self._library.seccomp_release(self._context)

    def _call(self, function: str, *arguments: object) -> None:
        code = getattr(self._library, function)(self._context, *arguments)
        if code != 0:
            raise OSError(-code, f"{function}: {errno.errorcode.get(-code, code)}")
