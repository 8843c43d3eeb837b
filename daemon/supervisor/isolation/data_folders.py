"""Data folders of tenants: made, handed to another uid, and destroyed.

Root opens nothing below such a folder. What must be done there is done by a short-lived child in a sandbox that shows
this one folder, with the uid that owns it; links that a tenant planted lead nowhere in there.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from daemon.core.errors import InternalError, StartRefused
from daemon.supervisor.isolation import seccomp
from daemon.supervisor.isolation.sandbox import Sandbox, write_accounts

TIMEOUT_S = 600.0
# Changing owners needs these even in the sandbox, where root's own `find` and `chown` run with nothing else.
_OWNER_CAPABILITIES = ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER")
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}


@dataclass(frozen=True)
class DataFolder:
    """A tenant's data folder.

    `data` lies in a folder of root's, so that nobody can exchange it; `accounts`, for the sandbox, is root's too.
    """

    tenant: str
    data: Path
    accounts: Path

    def give_to(self, uid: int) -> None:
        """Make the folder if need be, and give it and everything below it to `uid`. Raises StartRefused, OSError."""
        if not self.data.is_symlink() and not self.data.exists():
            self.data.mkdir(parents=True, mode=0o700)
            os.chown(self.data, uid, uid, follow_symlinks=False)
            return
        owner = self.owner()
        if owner != uid:
            self._hand_over(owner, uid)
        self.data.chmod(0o700)  # whatever was made of it meanwhile: its encoder must get in, and nobody else

    def take_back(self) -> None:
        """Mark the folder as root's, whose encoders write there (`isolation: process`); `give_to` undoes it."""
        if self.data.exists() and self.owner() != 0:
            os.chown(self.data, 0, 0, follow_symlinks=False)

    def destroy(self) -> None:
        """Remove what is in the folder as its owner, then the folder as root. Raises InternalError, OSError."""
        if os.geteuid() != 0:
            shutil.rmtree(self.data)
            return
        owner = self.owner()
        as_tenant(self._sandbox(owner), ["chmod", "-R", "u+rwX", "--", str(self.data)], check=False)
        as_tenant(self._sandbox(owner), ["find", str(self.data), "-mindepth", "1", "-delete"])
        self.data.rmdir()

    def owner(self) -> int:
        """The uid of the folder itself. Raises StartRefused when it is no folder."""
        found = os.stat(self.data, follow_symlinks=False)  # noqa: PTH116  (Path.stat hides which of the two it is)
        if not stat.S_ISDIR(found.st_mode):
            raise StartRefused(f"cannot use {self.data}: it is not a folder; move it away")
        return found.st_uid

    def _hand_over(self, owner: int, uid: int) -> None:
        """Give to `uid` what is `owner`'s or root's.

        A file of root's with a second name is left out: it may be one of the host's.
        """
        rooted = ["-uid", "0", "(", "-type", "d", "-o", "-links", "1", ")"]
        chown = ["-execdir", "chown", "--no-dereference", f"{uid}:{uid}", "{}", "+"]
        chosen = ["(", "-uid", str(owner), "-o", *rooted, ")"]
        sandbox = self._sandbox(0)
        as_tenant(sandbox, ["find", str(self.data), "-mindepth", "1", *chosen, *chown])
        os.chown(self.data, uid, uid, follow_symlinks=False)  # last: a child that failed is sent again

    def _sandbox(self, uid: int) -> Sandbox:
        """The sandbox for work on the folder; root in there has the rights over owners and nothing else."""
        write_accounts(self.accounts, self.tenant, uid, self.data)
        keep = _OWNER_CAPABILITIES if uid == 0 else ()
        return Sandbox(uid, self.data, self.accounts, keep=keep)


def as_tenant(sandbox: Sandbox, command: Sequence[str], *, check: bool = True, timeout_s: float = TIMEOUT_S) -> str:
    """Run a command in the sandbox with its uid; the answer is what it printed. Raises InternalError."""
    seccomp_fd = seccomp.memfd() if seccomp.supported() else None
    try:
        done = subprocess.run(  # noqa: S603  (commands are ours)
            [*replace(sandbox, devices=()).prefix(seccomp_fd), *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=_ENVIRONMENT,
            cwd="/",
            pass_fds=[] if seccomp_fd is None else [seccomp_fd],
            timeout=timeout_s,
            check=False,
            umask=0o077,
        )
    except subprocess.TimeoutExpired as error:
        raise InternalError(f"cannot finish {command[0]} in {sandbox.data} within {timeout_s:g} s") from error
    finally:
        if seccomp_fd is not None:
            os.close(seccomp_fd)
    if check and done.returncode != 0:
        words = done.stderr.decode("utf-8", "replace").strip()[-1000:]
        raise InternalError(f"cannot finish {command[0]} in {sandbox.data}: {words or f'exit code {done.returncode}'}")
    return done.stdout.decode("utf-8", "replace")
