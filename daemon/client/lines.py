"""Streams of JSON: newline-delimited (logs) and server-sent events, from chunks as the socket gives them."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator

from daemon.core.units import MIB

MAX_LINE_BYTES = 16 * MIB  # a peer that never ends its line must not fill this process


async def lines(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Yield each line without its line end; a last line may have none.

    Raises:
        ValueError: a line has more than MAX_LINE_BYTES.
    """
    rest = b""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > MAX_LINE_BYTES:
            raise ValueError(f"a line has more than {MAX_LINE_BYTES} bytes")
        for line in whole:
            yield line.removesuffix(b"\r")
    if rest:
        yield rest


async def server_sent(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Yield the `data` of each server-sent event; comments (heartbeats) and unfinished events are left out.

    https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
    """
    data: list[bytes] = []
    async for line in lines(chunks):
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif not line and data:
            yield b"\n".join(data)
            data = []
