"""infinity-emb's server on loopback, asked over kept-open connections by raw HTTP: no client library is in its way.

It embeds and does not search: every figure leaves out what a search costs, in its favour.
"""

import asyncio
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import serving

PART = 256  # texts in a request when indexing


class Connection:
    def __init__(self, port) -> None:
        self.port = port
        self.reader = self.writer = None

    async def embed(self, texts):
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        body = json.dumps({"model": "peer", "input": texts, "encoding_format": "base64"}).encode()
        head = "POST /embeddings HTTP/1.1\r\nHost: peer\r\nContent-Type: application/json\r\nContent-Length: "
        self.writer.write(f"{head}{len(body)}\r\n\r\n".encode() + body)
        answer = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(answer.split("content-length:")[1].split("\r\n")[0])
        found = await self.reader.readexactly(length)
        if " 200 " not in answer.split("\r\n")[0] + " ":
            raise RuntimeError(found[:300])


class Infinity:
    def __init__(self, model) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = [
            Path(sys.executable).with_name("infinity_emb"),
            "v2",
            "--model-id",
            model,
            "--served-model-name",
            "peer",
            "--port",
            str(self.port),
            "--host",
            "127.0.0.1",
            "--engine",
            "torch",
            "--device",
            "cpu",
            "--no-bettertransformer",
            "--log-level",
            "warning",
        ]
        self.server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=2)
        self.wait()

    def wait(self):
        end = time.monotonic() + 180
        while True:
            try:
                self.clients(["warm up"], 1, 60)
            except (OSError, asyncio.IncompleteReadError):
                if self.server.poll() is not None or time.monotonic() > end:
                    raise SystemExit("infinity_emb does not answer") from None
                time.sleep(0.5)
            else:
                return

    def clients(self, texts, count, seconds, size=1):
        """Run `count` clients at once, each with a connection, `size` texts a request."""
        parts = iter([texts[start : start + size] for start in range(0, len(texts), size)])
        times = []

        async def client(end) -> None:
            connection = Connection(self.port)
            for part in parts:
                began = time.perf_counter()
                await connection.embed(part)
                times.append((time.perf_counter() - began) * 1000)
                if time.perf_counter() > end:
                    break
            if connection.writer is not None:
                connection.writer.close()

        async def all_clients() -> None:
            end = time.perf_counter() + seconds
            await asyncio.gather(*(client(end) for _ in range(count)))

        took = serving.timed(asyncio.run, all_clients())
        return {"ms": times, "per_s": len(times) * size / took}

    def do_index(self, texts):
        documents = sorted(serving.read_texts(texts), key=len)
        began = time.perf_counter()
        self.clients(documents, 4, 36_000, PART)
        seconds = time.perf_counter() - began
        return {"per_s": len(documents) / seconds, "seconds": seconds}

    def do_one_client(self, texts, seconds):
        return self.clients(texts, 1, seconds)

    def do_together(self, texts, clients, seconds):
        return self.clients(texts, clients, seconds)


peer = Infinity(sys.argv[1])
try:
    serving.serve(peer)
finally:
    peer.server.terminate()
    peer.server.wait()
