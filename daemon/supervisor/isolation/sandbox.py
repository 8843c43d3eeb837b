"""The sandbox of one tenant: the command line that bubblewrap and setpriv build it from.

bubblewrap makes the namespaces and the view of the file system as root, then setpriv becomes the tenant's uid and
gives up every capability for good. What is not named here is not there.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import daemon
from daemon.core.errors import StartRefused
from daemon.core.units import MIB

SOURCE_ROOT = Path(daemon.__file__).resolve().parent.parent
_PACKAGE = SOURCE_ROOT / "daemon"
_TOOLS = {"bwrap": "bubblewrap", "setpriv": "util-linux", "prlimit": "util-linux"}
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# The linker's cache and Debian's links to chosen libraries; the number of CPUs for numerical libraries.
_SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/alternatives", "/sys/devices/system/cpu")
# Names and addresses, and whom to trust.
_NETWORK_FILES = (
    *("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"),
    *("/etc/ssl", "/etc/ca-certificates", "/etc/pki"),
)
_TMP, _SHM = "/tmp", "/dev/shm"  # noqa: S108  (made new in each sandbox)


@dataclass(frozen=True)
class Limits:
    """Bounds that hold without cgroups. `processes` counts threads, over all processes of the uid; sizes in MiB."""

    processes: int = 512
    open_files: int = 16384
    file_mb: int = 1 << 20
    locked_mb: int = 64
    tmp_mb: int = 256
    shm_mb: int = 64


@dataclass(frozen=True)
class Sandbox:
    """The view and the rights of one command.

    `accounts` holds the made-up passwd and group; `readable` are folders such as a model's, `devices` a GPU's nodes.
    `keep` are capabilities that the command keeps, where it is root's own; an encoder keeps none. `network`: the host's
    network is there, for the process that downloads a model, whose `data` is no tenant's folder.
    """

    uid: int
    data: Path
    accounts: Path
    readable: Sequence[Path] = ()
    devices: Sequence[Path] = ()
    limits: Limits = field(default_factory=Limits)
    cgroup: Path | None = None
    keep: Sequence[str] = ()
    network: bool = False

    def prefix(self, seccomp_fd: int | None) -> list[str]:
        """The command line in front of a command that is to run in here, which must inherit `seccomp_fd`."""
        return [
            *_enter_cgroup(self.cgroup),
            *(_tool("bwrap"), *_namespaces(self.network), *_read_only_system()),
            *(*self._made(), *self._python(), *self._own(), "--chdir", "/"),
            *(("--seccomp", str(seccomp_fd)) if seccomp_fd is not None else ()),
            *_flags("--cap-add", ["CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", *self.keep]),
            *("--", _tool("prlimit"), *_rlimits(self.limits)),
            *("--", *self._become(), "--"),
        ]

    def _made(self) -> list[str]:
        """Arguments for /proc, /dev, /tmp and /etc, with nothing of the host's."""
        return [
            *("--proc", "/proc", "--dev", "/dev"),
            *(*_tmpfs(_SHM, self.limits.shm_mb), *_tmpfs(_TMP, self.limits.tmp_mb), *_folder("/etc")),
            *("--ro-bind", str(self.accounts / "passwd"), "/etc/passwd"),
            *("--ro-bind", str(self.accounts / "group"), "/etc/group"),
            *(part for path in self._system_files() for part in ("--ro-bind-try", path, path)),
        ]

    def _system_files(self) -> tuple[str, ...]:
        return (*_SYSTEM_FILES, *_NETWORK_FILES) if self.network else _SYSTEM_FILES

    def _python(self) -> list[str]:
        """Arguments for Python, its packages and ours, at the paths they have outside."""
        return [part for path in python_folders() for part in (*_parents(path), "--ro-bind", str(path), str(path))]

    def _own(self) -> list[str]:
        """Arguments for the folders and devices of this sandbox alone."""
        arguments = [*_parents(self.data), "--bind", str(self.data), str(self.data)]
        for path in self.readable:
            arguments += [*_parents(path), "--ro-bind", str(path), str(path)]
        for path in self.devices:
            arguments += [*_parents(path), "--dev-bind", str(path), str(path)]
        return arguments

    def _become(self) -> list[str]:
        kept = ",".join(f"+{name.removeprefix('CAP_').lower()}" for name in self.keep)
        bounding = f"-all,{kept}" if kept else "-all"
        return [
            *(_tool("setpriv"), "--reuid", str(self.uid), "--regid", str(self.uid), "--clear-groups", "--no-new-privs"),
            *("--pdeathsig", "KILL"),
            *("--inh-caps", bounding, "--ambient-caps", bounding, "--bounding-set", bounding),
        ]


def check_host(own: Iterable[Path]) -> None:
    """Refuse a host without strict isolation; no tenant may see the folders `own`. Raises StartRefused."""
    if os.geteuid() != 0:
        raise StartRefused(
            "cannot start with isolation strict: the daemon is not root; run it as root, or write "
            "`isolation: process` into daemon.yaml to run encoders as the daemon's own user, without a sandbox"
        )
    for name in _TOOLS:
        _tool(name)
    shown = [Path(path) for path in _SYSTEM] + python_folders()
    for path in own:
        if inside := next((folder for folder in shown if overlap(path.resolve(), folder)), None):
            raise StartRefused(
                f"cannot start with isolation strict: {path} lies in {inside}, which every encoder can read; "
                "choose another --root"
            )
    if not _PACKAGE.stat().st_mode & 0o001 or not (_PACKAGE / "__init__.py").stat().st_mode & 0o004:
        raise StartRefused(
            f"cannot start with isolation strict: {_PACKAGE} is not readable for other users, and encoders are such; "
            f"run: chmod -R o+rX {_PACKAGE}"
        )


def python_folders() -> list[Path]:
    """Python's prefixes, what its executable's links lead through, and the daemon's package; none within another."""
    named = [Path(sys.base_prefix), Path(sys.base_prefix).resolve(), Path(sys.prefix), Path(sys.prefix).resolve()]
    named += [_PACKAGE, *_links(Path(sys.executable))]
    found: list[Path] = []
    for path in named:
        if not any(path.is_relative_to(folder) for folder in [*map(Path, _SYSTEM), *found]):
            found.append(path)
    return found


def overlap(one: Path, other: Path) -> bool:
    """True where one of the folders lies in the other."""
    return one.is_relative_to(other) or other.is_relative_to(one)


def write_accounts(folder: Path, tenant: str, uid: int, data: Path) -> None:
    """Write the made-up /etc/passwd and /etc/group: the tenant, and nobody of the host."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.mkdir(exist_ok=True, mode=0o700)
    name = f"vw-{tenant}"
    for file, text in (("passwd", f"{name}:x:{uid}:{uid}::{data}:/bin/false\n"), ("group", f"{name}:x:{uid}:\n")):
        (folder / file).write_text(text)
        (folder / file).chmod(0o644)


def _links(path: Path) -> list[Path]:
    """The links between `path` and the file itself."""
    found: list[Path] = []
    while path.is_symlink() and len(found) < 40:
        found.append(path)
        path = path.parent / path.readlink()
    return [*found, path]


def _tool(name: str) -> str:
    found = shutil.which(name, path="/usr/local/bin:/usr/bin:/bin")
    if found is None:
        raise StartRefused(
            f"cannot start with isolation strict: {name} is missing; install the package {_TOOLS[name]} "
            f"(Debian: apt-get install {_TOOLS[name]})"
        )
    return found


def _namespaces(network: bool) -> list[str]:
    # Never --as-pid-1: an encoder that is pid 1 outlives a killed bubblewrap.
    return [
        *("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
        *(() if network else ("--unshare-net",)),
        *("--hostname", "vecward", "--die-with-parent", "--new-session"),
    ]


def _read_only_system() -> Iterator[str]:
    for path in map(Path, _SYSTEM):
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), str(path))
        elif path.exists():
            yield from ("--ro-bind", str(path), str(path))


def _parents(path: Path) -> Iterator[str]:
    """Folders on the way to `path`, made empty: nothing beside `path` shows."""
    for parent in reversed(path.parents):
        if len(parent.parts) > 1 and not any(parent.is_relative_to(folder) for folder in _SYSTEM):
            yield from _folder(str(parent))


def _folder(path: str) -> tuple[str, ...]:
    return ("--perms", "0755", "--dir", path)


def _tmpfs(path: str, size_mb: int) -> tuple[str, ...]:
    return ("--perms", "1777", "--size", str(size_mb * MIB), "--tmpfs", path)


def _flags(name: str, values: Iterable[str]) -> Iterator[str]:
    for value in values:
        yield from (name, value)


def _rlimits(limits: Limits) -> list[str]:
    wanted = {
        "nproc": (resource.RLIMIT_NPROC, limits.processes),
        "nofile": (resource.RLIMIT_NOFILE, limits.open_files),
        "fsize": (resource.RLIMIT_FSIZE, limits.file_mb * MIB),
        "memlock": (resource.RLIMIT_MEMLOCK, limits.locked_mb * MIB),
        "core": (resource.RLIMIT_CORE, 0),
    }
    return [f"--{name}={value}:{value}" for name, value in _at_most_ours(wanted)]


def _at_most_ours(wanted: dict[str, tuple[int, int]]) -> Iterator[tuple[str, int]]:
    """The limits, none above our own: in the sandbox nobody has the capability to raise a hard limit."""
    for name, (which, value) in wanted.items():
        hard = resource.getrlimit(which)[1]
        yield name, value if hard == resource.RLIM_INFINITY else min(value, hard)


def _enter_cgroup(cgroup: Path | None) -> list[str]:
    """A shell that joins the cgroup, then becomes bubblewrap: nothing of the sandbox is ever outside of it."""
    if cgroup is None:
        return []
    return ["/bin/sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', str(cgroup)]
