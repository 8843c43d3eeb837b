"""The sandbox: its view, the calls that the filter refuses, and hosts that are refused before a start."""

from __future__ import annotations

import errno
import os
import platform
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from daemon.core.config.tenant_config import TenantConfig
from daemon.core.errors import StartRefused
from daemon.core.paths import Paths
from daemon.supervisor.isolation import sandbox, seccomp
from daemon.supervisor.isolation.cgroups import CgroupLimits, Cgroups
from daemon.supervisor.isolation.data_folders import DataFolder, as_tenant
from daemon.supervisor.isolation.sandbox import Limits, Sandbox, write_accounts
from daemon.supervisor.isolation.tenant_sandbox import check_uid, model_folders, tenant_sandbox
from tests.isolation.conftest import needs_root

_HEADERS = {
    0: Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    1: Path("/usr/include/asm-generic/unistd.h"),
}


def _config(**encoder: Any) -> TenantConfig:
    return TenantConfig.model_validate({"encoder": {"backend": "fake", **encoder}})


# --- before a start ---------------------------------------------------------------------------------


def test_strict_is_refused_without_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(StartRefused, match=r"the daemon is not root; run it as root, or write `isolation: process`"):
        sandbox.check_host([tmp_path])


@needs_root
def test_a_root_inside_what_every_encoder_reads_is_refused(tmp_path: Path) -> None:
    sandbox.check_host([tmp_path])
    with pytest.raises(StartRefused, match="choose another --root"):
        sandbox.check_host([Path("/usr/local/vecward")])
    with pytest.raises(StartRefused, match="choose another --root"):
        sandbox.check_host([Path(sys.prefix) / "var"])


@needs_root
def test_a_missing_tool_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(StartRefused, match=r"bwrap is missing; install the package bubblewrap"):
        sandbox.check_host([tmp_path])


def test_a_uid_of_the_hosts_is_refused() -> None:
    with pytest.raises(StartRefused, match=r"its uid 0 is the host's user root; set uid_range"):
        check_uid(0, "acme")
    check_uid(29_997, "acme")


@pytest.mark.parametrize(
    "place", ["tenants/other", "tenants/other/models/m", "tenants", "log", "etc", "run", "", "link"]
)
def test_a_model_path_into_what_is_vecwards_is_refused(tmp_path: Path, place: str) -> None:
    paths = Paths.under(tmp_path)
    (tmp_path / "tenants" / "other" / "models" / "m").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "tenants" / "other")
    config = TenantConfig.model_validate(
        {"encoder": {"backend": "sentence-transformers", "model": str(tmp_path / place)}}
    )
    with pytest.raises(StartRefused, match="which no encoder may see"):
        model_folders(paths, paths.tenant("acme"), config)


@pytest.mark.parametrize("place", ["/", "/etc", "/root", "/home", "/proc/1/root", "/etc/ssl/.."])
def test_a_model_path_into_the_hosts_own_is_refused(tmp_path: Path, place: str) -> None:
    paths = Paths.under(tmp_path)
    config = TenantConfig.model_validate({"encoder": {"backend": "sentence-transformers", "model": place}})
    with pytest.raises(StartRefused, match="which no encoder may see"):
        model_folders(paths, paths.tenant("acme"), config)


def test_a_model_folder_is_shown_and_an_id_or_own_folder_needs_none(tmp_path: Path) -> None:
    paths = Paths.under(tmp_path / "root")
    model = tmp_path / "model"
    model.mkdir()
    own = paths.tenant("acme").data / "models" / "m"

    def shown(name: str) -> tuple[Path, ...]:
        config = TenantConfig.model_validate({"encoder": {"backend": "sentence-transformers", "model": name}})
        return model_folders(paths, paths.tenant("acme"), config)

    assert shown(str(model)) == (model,)
    assert shown("Qwen/Qwen3-Embedding-0.6B") == ()
    assert shown(str(own)) == ()
    with pytest.raises(StartRefused, match="there is no folder"):
        shown(str(tmp_path / "nowhere"))


def test_limits_follow_the_tenants_file(tmp_path: Path) -> None:
    paths = Paths.under(tmp_path)
    config = TenantConfig.model_validate({"encoder": {"backend": "fake"}, "limits": {"disk_mb": 100, "memory_mb": 400}})
    limits = tenant_sandbox(paths, "acme", 29_990, config).limits
    assert (limits.file_mb, limits.tmp_mb) == (164, 100)
    default = tenant_sandbox(paths, "acme", 29_990, _config()).limits
    assert (default.file_mb, default.tmp_mb) == (Limits().file_mb, 256)


# --- inside -----------------------------------------------------------------------------------------


@pytest.fixture
def inside(tmp_path: Path) -> Sandbox:
    home = DataFolder("acme", tmp_path / "tenants" / "acme", tmp_path / "accounts")
    home.give_to(29_990)
    write_accounts(home.accounts, "acme", 29_990, home.data)
    return Sandbox(29_990, home.data, home.accounts)


@needs_root
def test_the_view_of_the_file_system(inside: Sandbox) -> None:
    assert set(as_tenant(inside, ["ls", "/"]).split()) <= {
        "bin",
        "dev",
        "etc",
        "lib",
        "lib32",
        "lib64",
        "libx32",
        "proc",
        "sbin",
        "sys",
        "tmp",
        "usr",
        *(path.parts[1] for path in sandbox.python_folders()),
    }
    assert set(as_tenant(inside, ["ls", "/etc"]).split()) <= {"alternatives", "group", "ld.so.cache", "passwd"}
    writable = as_tenant(inside, ["sh", "-c", "find / -xdev -writable -not -type l 2>/dev/null; true"]).split()
    assert [path for path in writable if not path.startswith("/proc/")] == ["/tmp"]  # noqa: S108


@needs_root
def test_writable_mounts_are_its_own(inside: Sandbox) -> None:
    mounts = [line.split() for line in as_tenant(inside, ["cat", "/proc/mounts"]).splitlines()]
    writable = {fields[1] for fields in mounts if "rw" in fields[3].split(",")}
    devices = {f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty")}
    made = {"/", "/proc", "/dev", "/dev/pts", "/dev/shm", "/tmp"}  # noqa: S108
    assert writable - devices == {*made, str(inside.data)}
    assert all("nosuid" in fields[3].split(",") for fields in mounts)
    assert all("nodev" in fields[3].split(",") for fields in mounts if not fields[1].startswith("/dev/"))


@needs_root
def test_a_gpus_nodes_and_a_model_are_shown_when_given(inside: Sandbox, tmp_path: Path) -> None:
    model, node = tmp_path / "model", tmp_path / "node"
    model.mkdir()
    (model / "weights").write_text("w")
    os.mknod(node, 0o020666, os.makedev(1, 3))
    given = Sandbox(inside.uid, inside.data, inside.accounts, readable=[model], devices=[node])
    prefix = given.prefix(None)
    assert prefix[prefix.index("--dev-bind") + 1] == str(node)
    assert as_tenant(given, ["cat", str(model / "weights")]) == "w"
    assert as_tenant(given, ["ls", str(tmp_path)]).split() == ["model", "tenants"]  # a chore gets no devices
    words = as_tenant(given, ["sh", "-c", f"echo x > {model}/weights; echo $?"])
    assert words.strip() != "0"


@needs_root
def test_limits_in_force(inside: Sandbox) -> None:
    limits = as_tenant(inside, ["cat", "/proc/self/limits"])
    rows = {line[:26].strip(): line[26:].split() for line in limits.splitlines()}
    assert rows["Max processes"][:2] == ["512", "512"]
    assert rows["Max core file size"][:2] == ["0", "0"]
    assert rows["Max file size"][1] == str(Limits().file_mb << 20)
    assert as_tenant(inside, ["sh", "-c", "umask"]).strip() == "0077"


# --- the filter ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", _HEADERS)
def test_call_numbers_are_the_kernels(column: int) -> None:
    if not _HEADERS[column].exists():
        pytest.skip(f"{_HEADERS[column]} is not here: the package linux-libc-dev has it")
    found = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", _HEADERS[column].read_text()))
    named = {
        **seccomp.REFUSED,
        **seccomp.ABSENT,
        "clone": seccomp.CLONE,
        "ioctl": seccomp.IOCTL,
        "socket": seccomp.SOCKET,
        "socketpair": seccomp.SOCKETPAIR,
    }
    wrong = {name: pair[column] for name, pair in named.items() if str(pair[column] or "") != found.get(name, "")}
    assert wrong == {}


@pytest.mark.parametrize("machine", seccomp.MACHINES)
def test_programs_are_short_enough_for_the_kernel(machine: str) -> None:
    size = len(seccomp.program(machine)) // 8
    assert 100 < size < 4096  # BPF_MAXINSNS


_CALLS = """
import ctypes, errno, socket, threading
libc = ctypes.CDLL(None, use_errno=True)
def refused(number, *arguments):
    ctypes.set_errno(0)
    libc.syscall(number, *arguments)
    return ctypes.get_errno()
def family(number):
    try:
        socket.socket(number, socket.SOCK_STREAM).close()
    except OSError as error:
        return error.errno
    return 0
thread = threading.Thread(target=lambda: None); thread.start(); thread.join()
pair = socket.socketpair()
print(refused(NUMBERS[0], 0x10000000), refused(NUMBERS[1], 8, 0), refused(NUMBERS[2], 0, 0), family(1), family(2),
      family(10), family(16), family(40), refused(CLONE, 0x10000000 | 17, 0, 0, 0, 0))
"""


@needs_root
@pytest.mark.skipif(not seccomp.supported(), reason="no filter for this processor")
def test_the_filter_refuses_and_lets_threads_and_sockets_be(inside: Sandbox) -> None:
    column = seccomp.MACHINES[platform.machine()].column
    calls = {**seccomp.REFUSED, **seccomp.ABSENT}
    numbers = [calls[name][column] for name in ("unshare", "io_uring_setup", "clone3")]
    script = f"NUMBERS = {numbers}; CLONE = {seccomp.CLONE[column]}\n{_CALLS}"
    answer = as_tenant(inside, [sys.executable, "-I", "-c", script]).split()
    expected = [errno.EPERM, errno.ENOSYS, errno.ENOSYS, 0, 0, 0, errno.EAFNOSUPPORT, errno.EAFNOSUPPORT, errno.EPERM]
    assert [int(word) for word in answer] == expected


# --- cgroups and words --------------------------------------------------------------------------------


def _cgroup_tree(folder: Path, controllers: str) -> tuple[Path, Path]:
    base = folder / "cgroup" / "system.slice" / "vecward.service"
    base.mkdir(parents=True)
    (base / "cgroup.controllers").write_text(controllers)
    (base / "cgroup.procs").write_text("41\n42\n")
    own = folder / "own"
    own.write_text("0::/system.slice/vecward.service\n")
    return base, own


def test_a_delegated_cgroup_gets_a_leaf_and_a_cgroup_a_tenant(tmp_path: Path) -> None:
    base, own = _cgroup_tree(tmp_path, "cpuset cpu io memory pids\n")
    os.setxattr(base, "user.delegate", b"1")
    cgroups = Cgroups.discover(tmp_path / "cgroup", own)
    assert cgroups.base == base
    assert (base / "daemon" / "cgroup.procs").read_text() == "42"
    assert (base / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"
    made = cgroups.make("acme", CgroupLimits(memory_mb=100, cpus=1.5, processes=300))
    assert made == base / "tenant-acme"
    written = {path.name: path.read_text() for path in made.iterdir()}
    assert written == {
        "pids.max": "300",
        "memory.max": str(100 << 20),
        "memory.oom.group": "1",
        "cpu.max": "150000 100000",
    }
    own.write_text("0::/system.slice/vecward.service/daemon\n")
    assert Cgroups.discover(tmp_path / "cgroup", own).base == base  # a daemon that was started again from its leaf


@pytest.mark.parametrize(
    ("controllers", "mark"), [("cpu memory pids", None), ("cpu memory pids", b"0"), ("memory", b"1")]
)
def test_a_cgroup_that_is_not_delegated_is_left_alone(tmp_path: Path, controllers: str, mark: bytes | None) -> None:
    base, own = _cgroup_tree(tmp_path, controllers)
    if mark is not None:
        os.setxattr(base, "user.delegate", mark)
    cgroups = Cgroups.discover(tmp_path / "cgroup", own)
    assert cgroups.base is None
    assert cgroups.make("acme", CgroupLimits(None, None, 1)) is None
    assert {path.name for path in base.iterdir()} == {"cgroup.controllers", "cgroup.procs"}


def test_no_cgroup_v2_is_no_error(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("4:memory:/x\n")
    assert Cgroups.discover(tmp_path, own).base is None


@needs_root
def test_a_process_joins_its_cgroup_before_its_sandbox_is_made(inside: Sandbox, tmp_path: Path) -> None:
    """The kernel's own file where cgroup v2 is mounted is like this one: a shell writes its pid to it."""
    joined = Sandbox(inside.uid, inside.data, inside.accounts, cgroup=tmp_path)
    assert as_tenant(joined, ["echo", "done"]) == "done\n"
    assert (tmp_path / "cgroup.procs").read_text().strip().isdigit()
    missing = Sandbox(inside.uid, inside.data, inside.accounts, cgroup=tmp_path / "gone")
    assert as_tenant(missing, ["echo", "done"], check=False) == ""
