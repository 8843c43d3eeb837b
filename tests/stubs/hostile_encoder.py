"""A hostile encoder: it says that it is ready, then answers each request in the way that the query names.

Its process is the tenant's own, so whatever it sends is a tenant's word. Standard library alone.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
BLOCK = b"x" * 65536


def fd(name: str) -> int:
    return int(sys.argv[sys.argv.index(f"--{name}-fd") + 1])


def forever(piece: bytes, pause_s: float = 0.0) -> Iterator[bytes]:
    while True:
        yield piece
        time.sleep(pause_s)


def after(*first: bytes) -> Callable[[Iterator[bytes]], Iterator[bytes]]:
    def joined(rest: Iterator[bytes]) -> Iterator[bytes]:
        yield from first
        yield from rest

    return joined


WAYS: dict[str, Callable[[], Iterator[bytes]]] = {
    "endless body": lambda: after(OK + b"transfer-encoding: chunked\r\n\r\n")(forever(b"10000\r\n" + BLOCK + b"\r\n")),
    "endless body to the end": lambda: after(OK + b"\r\n")(forever(BLOCK)),
    "endless value": lambda: after(OK + b"x: ")(forever(BLOCK)),
    "endless headers": lambda: after(OK)(forever(b"x: y\r\n" * 1000)),
    "endless status": lambda: after(b"HTTP/1.1 200 ")(forever(BLOCK)),
    "endless trailers": lambda: after(OK + b"transfer-encoding: chunked\r\n\r\n0\r\n")(forever(b"x: y\r\n" * 1000)),
    "endless chunk size": lambda: after(OK + b"transfer-encoding: chunked\r\n\r\n")(forever(b"0" * 65536)),
    "endless continues": lambda: forever(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "length beyond all": lambda: after(OK + b"content-length: 999999999999999999\r\n\r\n")(forever(b"x", 0.05)),
    "length that overflows": lambda: iter([OK + b"content-length: " + b"9" * 400 + b"\r\n\r\n"]),
    "length below zero": lambda: iter([OK + b"content-length: -5\r\n\r\n"]),
    "length in words": lambda: iter([OK + b"content-length: five\r\n\r\n"]),
    "two lengths": lambda: iter([OK + b"content-length: 2\r\ncontent-length: 5\r\n\r\n{}"]),
    "length and chunks": lambda: iter([OK + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"]),
    "short body": lambda: iter([OK + b"content-length: 500\r\n\r\n{}"]),
    "second answer": lambda: iter([OK + b"content-length: 2\r\n\r\n{}" + OK + b"content-length: 6\r\n\r\nforged"]),
    "junk": lambda: iter([b"\x00\xff" * 5000]),
    "nothing": lambda: iter([]),
    "switch": lambda: iter([b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nraw"]),
    "no such status": lambda: iter([b"HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n"]),
    "status zero": lambda: iter([b"HTTP/1.1 000 Odd\r\ncontent-length: 0\r\n\r\n"]),
    "body where none may be": lambda: iter([b"HTTP/1.1 204 No\r\ncontent-length: 5\r\n\r\nforged"]),
    "headers of its own": lambda: iter(
        [OK + b"set-cookie: a=b\r\nvecward-request: forged\r\nserver: x\r\nrefresh: 0\r\ncontent-length: 2\r\n\r\n{}"]
    ),
    "values of its own": lambda: iter(
        [b"HTTP/1.1 200 OK\r\ncontent-type: text/html\x0bx\xff\xfe\r\nlocation: \x80\r\ncontent-length: 2\r\n\r\n{}"]
    ),
    "silence": lambda: after()(forever(b"", 0.05)),
    "drip of a head": lambda: after(OK)(forever(b"x", 0.05)),
}


def serve(connection: socket.socket) -> None:
    with connection:
        try:
            while (request := read(connection)) is not None:
                for piece in answer(request):
                    connection.sendall(piece)
        except OSError:
            return


def read(connection: socket.socket) -> bytes | None:
    """One request, body and all; None when the other side has closed."""
    raw = b""
    while True:
        head, end, body = raw.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        if end and len(body) >= (int(lengths[0].split(b":")[1]) if lengths else 0):
            return raw
        part = connection.recv(65536)
        if not part:
            return None
        raw += part


def answer(request: bytes) -> Iterator[bytes]:
    if b"/search " not in request.split(b"\r\n", 1)[0]:  # also what the daemon itself asks: health, usage
        return WAYS["endless body"]()
    return WAYS[json.loads(request.partition(b"\r\n\r\n")[2])["query"]]()


def main() -> None:
    control = socket.socket(fileno=fd("control"))
    control.send(json.dumps({"type": "warming", "step": "evil"}).encode())
    ready = {
        "type": "ready",
        "entries": 1,
        "revision": 1,
        "fingerprint": "evil",
        "dimension": 1,
        "device": "cpu",
        "query_ms": 1.0,
    }
    control.send(json.dumps(ready).encode())
    listener = socket.socket(fileno=fd("listen"))
    listener.setblocking(True)
    threading.Thread(target=lambda: control.recv(1) or sys.exit(), daemon=True).start()
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
