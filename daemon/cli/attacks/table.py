"""The attacks: the aim of each, who could do it without the protection, and where else it must fail."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Place(StrEnum):
    """The place where a probe runs: in the attacking tenant's sandbox, OUTSIDE as that tenant's uid, or as root."""

    SANDBOX = "sandbox"
    OUTSIDE = "outside"
    ROOT = "root"


@dataclass(frozen=True)
class Attack:
    """One attack; it must fail in the sandbox and, with `outside`, there, too.

    At `control` it must succeed, so that a refusal means something. With `exhausts` it uses up its own sandbox's
    limits: tests run it, a user's host is spared.
    """

    name: str
    tries: str
    control: Place = Place.ROOT
    outside: bool = True
    exhausts: bool = False


ATTACKS = (
    Attack("read-data", "read a file in another tenant's data folder"),
    Attack("list-data", "list another tenant's data folder"),
    Attack("write-data", "write to another tenant's file"),
    Attack("create-in-data", "make a file in another tenant's data folder"),
    Attack("read-knowledge-base", "read another tenant's knowledge base"),
    Attack("read-index", "read another tenant's index"),
    Attack("read-model-cache", "read another tenant's model cache"),
    Attack("read-log", "read another tenant's log"),
    Attack("write-log", "write to another tenant's log"),
    Attack("read-daemons-files", "read state.db, users.yaml, the audit log"),
    Attack("write-daemons-files", "write to state.db, users.yaml, the audit log"),
    Attack("read-hosts-secrets", "read the host's passwords"),
    Attack("by-parent-folder", "reach another tenant's file by .."),
    Attack("by-symbolic-link", "reach another tenant's file by a symbolic link"),
    Attack("by-hard-link", "give another tenant's file a second name"),
    Attack("by-proc-root", "reach files by /proc/PID/root and cwd"),
    Attack("by-file-handle", "open another tenant's file by its inode"),
    Attack("change-the-program", "change vecward's own code"),
    Attack("connect-encoder", "connect to another tenant's encoder"),
    Attack("connect-daemon", "connect to the daemon's socket", Place.OUTSIDE, outside=False),
    Attack("connect-console-socket", "connect to the console's socket"),
    Attack("connect-abstract-socket", "connect to an abstract socket of the host", Place.OUTSIDE, outside=False),
    Attack("connect-tcp", "connect to a TCP port of the host", Place.OUTSIDE, outside=False),
    Attack("see-hosts-sockets", "list the host's sockets", Place.OUTSIDE, outside=False),
    Attack("hosts-interfaces", "ask an inherited socket for the host's network", Place.OUTSIDE, outside=False),
    Attack("raw-or-vm-socket", "open a raw socket, or one to the machine's host", outside=False),
    Attack("see-processes", "see another tenant's processes", Place.OUTSIDE, outside=False),
    Attack("signal-processes", "send a signal to another tenant's encoder or the daemon"),
    Attack("trace-processes", "trace another tenant's encoder or the daemon"),
    Attack("read-environ", "read the environment of another tenant's encoder or the daemon"),
    Attack("read-maps", "read the memory map of another tenant's encoder or the daemon"),
    Attack("read-memory", "read the memory of another tenant's encoder or the daemon"),
    Attack("read-memory-by-call", "read that memory by process_vm_readv"),
    Attack("list-descriptors", "list the descriptors of another tenant's encoder or the daemon"),
    Attack("take-descriptors", "take a descriptor of another tenant's encoder or the daemon"),
    Attack("posix-shared-memory", "open the host's POSIX shared memory", Place.OUTSIDE, outside=False),
    Attack("system-v-shared-memory", "open the host's System V shared memory", Place.OUTSIDE, outside=False),
    Attack("system-v-semaphore", "open the host's System V semaphores", Place.OUTSIDE, outside=False),
    Attack("system-v-message-queue", "open the host's System V message queues", Place.OUTSIDE, outside=False),
    Attack("posix-message-queue", "open the host's POSIX message queues", Place.OUTSIDE, outside=False),
    Attack("keyring", "use the kernel's keyrings", Place.OUTSIDE, outside=False),
    Attack("open-gpu-node", "open another tenant's GPU", Place.OUTSIDE, outside=False),
    Attack("make-device-node", "make a device node"),
    Attack("become-root", "become root"),
    Attack("become-victim", "become another tenant's user"),
    Attack("have-capabilities", "have a capability, or get one later", outside=False),
    Attack("run-setuid-program", "run a setuid program", Place.OUTSIDE, outside=False),
    Attack("make-user-namespace", "make a user namespace", outside=False),
    Attack("mount-something", "mount a file system"),
    Attack("change-root", "change the root folder"),
    Attack("raise-limits", "raise its own limits", outside=False),
    Attack("change-the-hosts-name", "change the host's name"),
    Attack("read-kernel-log", "read the kernel's log", outside=False),
    Attack("planted-modules", "plant Python modules that the encoder would import", outside=False),
    Attack("write-a-huge-file", "write a file past limits.disk_mb", outside=False, exhausts=True),
    Attack("fill-temporary-files", "fill memory by temporary files", outside=False, exhausts=True),
    Attack("fork-without-end", "start processes without end", outside=False, exhausts=True),
)
