"""Attacks on another tenant's files, the daemon's and the host's."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from daemon.cli.attacks.probes import LIBC, Target, checked, first, open_to_write, probe, read


@probe
def read_data(target: Target) -> str:
    return read(target["secret"])


@probe
def list_data(target: Target) -> str:
    def names(data: str) -> str:
        return f"{data} has {sorted(path.name for path in Path(data).iterdir())}"

    return first(names, target["all_data"])


@probe
def write_data(target: Target) -> str:
    return open_to_write(target["secret"])


@probe
def create_in_data(target: Target) -> str:
    path = Path(target["data"], "planted")
    path.touch()
    path.unlink()
    return f"{path} could be made"


@probe
def read_knowledge_base(target: Target) -> str:
    return first(read, [f"{data}/knowledge.db" for data in target["all_data"]])


@probe
def read_index(target: Target) -> str:
    return read(f"{target['data']}/index/secret")


@probe
def read_model_cache(target: Target) -> str:
    return read(f"{target['data']}/hf-cache/secret")


@probe
def read_log(target: Target) -> str:
    return first(read, target["logs"])


@probe
def write_log(target: Target) -> str:
    return first(open_to_write, target["logs"])


@probe
def read_daemons_files(target: Target) -> str:
    """Read any of state.db, users.yaml and the audit log."""
    return first(read, target["daemon_files"])


@probe
def write_daemons_files(target: Target) -> str:
    return first(open_to_write, target["daemon_files"])


@probe
def read_hosts_secrets(_: Target) -> str:
    return first(read, ["/etc/shadow", "/etc/sudoers"])


@probe
def by_parent_folder(target: Target) -> str:
    return read(f"{target['own']}/../{Path(target['data']).name}/secret")


@probe
def by_symbolic_link(target: Target) -> str:
    link = Path(target["own"], "link")
    link.unlink(missing_ok=True)
    link.symlink_to(target["secret"])
    return read(str(link))


@probe
def by_hard_link(target: Target) -> str:
    link = Path(target["own"], "hard-link")
    link.unlink(missing_ok=True)
    link.hardlink_to(target["secret"])
    link.unlink()
    return f"a second name for {target['secret']} could be made"


@probe
def by_proc_root(target: Target) -> str:
    """Go by /proc/PID/root and cwd, which lead into other processes' view of the file system."""
    places = [f"/proc/{pid}/{link}" for pid in ("self", 1, target["pid"]) for link in ("root", "cwd")]
    return first(read, [place + target["secret"] for place in places])


@probe
def by_file_handle(target: Target) -> str:
    """Open a file by its inode, past every folder."""
    kind, content = target["handle"]
    raw = struct.pack("<Ii", len(content) // 2, kind) + bytes.fromhex(content)
    mount = os.open(target["own"], os.O_RDONLY)
    fd = checked(LIBC.open_by_handle_at(mount, raw, os.O_RDONLY), "open_by_handle_at")
    return f"the file {target['secret']} was opened by its handle: {os.read(fd, 16)!r}"


@probe
def change_the_program(target: Target) -> str:
    """Open code that every encoder and the daemon itself would run next time."""
    return first(open_to_write, target["programs"])
