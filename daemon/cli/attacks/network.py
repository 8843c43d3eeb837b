"""Attacks on sockets: of other encoders, of the daemon, of the host's network."""

from __future__ import annotations

import ctypes
import fcntl
import socket
import struct
from pathlib import Path

from daemon.cli.attacks.probes import Target, first, probe

_SIOCGIFCONF = 0x8912  # linux/sockios.h
_IFREQ_BYTES = 40


def connect(path: str) -> str:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(path)
    return f"{path!r} answers"


@probe
def connect_encoder(target: Target) -> str:
    return first(connect, target["sockets"])


@probe
def connect_daemon(target: Target) -> str:
    return first(connect, target["daemon_sockets"])


@probe
def connect_console_socket(target: Target) -> str:
    return first(connect, target["console_sockets"])


@probe
def connect_abstract_socket(target: Target) -> str:
    return connect("\0" + target["abstract"])


@probe
def connect_tcp(target: Target) -> str:
    with socket.socket(socket.AF_INET) as client:
        client.settimeout(5)
        client.connect(("127.0.0.1", target["port"]))
        return f"127.0.0.1:{target['port']} answers"


@probe
def raw_or_vm_socket(_: Target) -> str:
    """Open a raw socket, or one to the virtual machine's host, which no network namespace covers."""
    families = {"AF_PACKET": (17, socket.SOCK_RAW), "AF_VSOCK": (40, socket.SOCK_STREAM)}

    def make(name: str) -> str:
        socket.socket(*families[name]).close()
        return f"an {name} socket could be made"

    return first(make, list(families))


@probe
def hosts_interfaces(target: Target) -> str:
    """Ask an inherited socket, which belongs to the host's network namespace and answers for it."""
    buffer = ctypes.create_string_buffer(4096)
    request = struct.pack("iP", 4096, ctypes.addressof(buffer))
    answer = fcntl.ioctl(target["inherited"], _SIOCGIFCONF, request)
    found = struct.unpack("iP", answer)[0] // _IFREQ_BYTES
    return f"the host's interfaces with addresses: {found}"


@probe
def see_hosts_sockets(target: Target) -> str:
    if target["abstract"] not in Path("/proc/net/unix").read_text():
        raise PermissionError("/proc/net/unix shows none of the host's sockets")
    return "/proc/net/unix names the host's sockets"
