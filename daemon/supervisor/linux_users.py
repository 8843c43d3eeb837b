"""A tenant's own Linux user `vw-<name>` on a system install, so that the host knows whose its processes and files are.

Its uid comes from state.db, which hands each out once; a tenant that comes back over kept data gets another one, and
its user with it.
"""

from __future__ import annotations

import grp
import pwd
import shutil
import subprocess
import threading
import time
from collections.abc import Callable

from daemon.core.errors import InternalError, StartRefused

_TIMEOUT_S = 30.0
_LOCK_WAIT_S, _AGAIN_S = 10.0, 0.2  # somebody else may be changing /etc/passwd
_LIKE_NOBODY = (
    "--system", "--no-log-init", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin",
    "--comment", "an encoder of vecward",
)  # fmt: skip
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


class LinuxUsers:
    def __init__(self, given: Callable[[str], frozenset[int]]) -> None:
        """`given` answers every uid that a tenant of this name has, or once had, from vecward."""
        self._given = given
        self._one_at_a_time = threading.Lock()

    def ensure(self, tenant: str, uid: int) -> None:
        """Makes the tenant's user and group, or what is left of them anew. Takes a while. Raises StartRefused."""
        name = f"vw-{tenant}"
        with self._one_at_a_time:
            if _ids_of(name) == (uid, uid):
                return
            self._remove(tenant)
            number = str(uid)
            _run(tenant, "groupadd", "--system", "--gid", number, name)
            _run(tenant, "useradd", *_LIKE_NOBODY, "--uid", number, "--gid", number, name)

    def remove(self, tenant: str) -> None:
        """The tenant's data is gone: so are its user and group. Raises InternalError."""
        with self._one_at_a_time:
            try:
                self._remove(tenant)
            except StartRefused as error:
                raise InternalError(error.message) from error

    def _remove(self, tenant: str) -> None:
        """Raises StartRefused for one that somebody else made."""
        name = f"vw-{tenant}"
        uid, gid = _ids_of(name)
        for kind, number in (("user", uid), ("group", gid)):
            if number is not None and number not in self._given(tenant):
                raise StartRefused(
                    f"cannot make the {kind} {name} for tenant {tenant}: this host has one with the number {number}, "
                    f"which vecward did not give it; remove or rename it ({kind}del {name})"
                )
        if uid is not None:
            _run(tenant, "userdel", name)
        if _ids_of(name)[1] is not None:  # userdel takes the group along where login.defs says so
            _run(tenant, "groupdel", name)


def _ids_of(name: str) -> tuple[int | None, int | None]:
    """The user's uid and the group's gid."""
    try:
        uid = pwd.getpwnam(name).pw_uid
    except KeyError:
        uid = None
    try:
        return uid, grp.getgrnam(name).gr_gid
    except KeyError:
        return uid, None


def _run(tenant: str, tool: str, *arguments: str) -> None:
    place = shutil.which(tool, path=_ENVIRONMENT["PATH"])
    if place is None:
        raise StartRefused(
            f"cannot make a Linux user for tenant {tenant}: {tool} is missing; install the package passwd"
        )
    deadline = time.monotonic() + _LOCK_WAIT_S
    while True:
        done = subprocess.run(  # noqa: S603  (tenant names match NAME)
            [place, *arguments], capture_output=True, text=True, env=_ENVIRONMENT, timeout=_TIMEOUT_S, check=False
        )
        if done.returncode == 0:
            return
        if "cannot lock" not in done.stderr or time.monotonic() > deadline:
            said = done.stderr.strip()[-500:]
            raise StartRefused(f"cannot run {tool} for tenant {tenant}: {said or f'exit code {done.returncode}'}")
        time.sleep(_AGAIN_S)
