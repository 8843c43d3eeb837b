"""Linux users `vw-<name>` of tenants on a system install, which tell the host whose its processes and files are.

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
from collections.abc import Collection

from daemon.core.errors import InternalError, StartRefused

_TIMEOUT_S = 30.0
_LOCK_WAIT_S, _AGAIN_S = 10.0, 0.2  # somebody else may be changing /etc/passwd
_LIKE_NOBODY = (
    *("--system", "--no-log-init", "--no-create-home", "--home-dir", "/nonexistent"),
    *("--shell", "/usr/sbin/nologin", "--comment", "an encoder of vecward"),
)
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


class LinuxUsers:
    """The Linux users of all tenants; each method takes a while.

    `given`, below: all uids that a tenant of this name has, or once had, from vecward.
    """

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()

    def ensure(self, tenant: str, uid: int, given: Collection[int]) -> None:
        """Make the tenant's user and group, anew where some of it is left. Raises StartRefused."""
        name, number = f"vw-{tenant}", str(uid)
        with self._one_at_a_time:
            if _ids_of(name) == (uid, uid):
                return
            if (foreign := _foreign(name, given)) is not None:
                raise StartRefused(
                    f"cannot make a Linux user for tenant {tenant}: this host has a user or group {name} with the "
                    f"number {foreign}, which vecward did not give it; rename it or remove it (userdel {name})"
                )
            _remove(tenant)
            _run(tenant, "groupadd", "--system", "--gid", number, name)
            _run(tenant, "useradd", *_LIKE_NOBODY, "--uid", number, "--gid", number, name)

    def remove(self, tenant: str, given: Collection[int]) -> None:
        """Remove the user and group of a tenant whose data is gone. Raises InternalError."""
        with self._one_at_a_time:
            if _foreign(f"vw-{tenant}", given) is not None:
                return  # never was the tenant's
            try:
                _remove(tenant)
            except StartRefused as error:
                raise InternalError(error.message) from error


def _foreign(name: str, given: Collection[int]) -> int | None:
    """The number of a user or group of this name that somebody else made."""
    return next((number for number in _ids_of(name) if number is not None and number not in given), None)


def _remove(tenant: str) -> None:
    name = f"vw-{tenant}"
    if _ids_of(name)[0] is not None:
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
