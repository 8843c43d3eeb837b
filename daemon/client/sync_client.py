"""The client for code that is not async: each call is AsyncClient's own method, run on a loop in a thread.

`_call` and `_stream` carry a method's parameters over to the type checker, so there is no second signature
to keep in step; a test asserts that no method is missing here.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

from daemon.client.async_client import AsyncClient

P = ParamSpec("P")
T = TypeVar("T")


def _call(
    method: Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Client, P], T]:
    @functools.wraps(method)
    def call(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(method(self._core, *args, **kwargs))

    return call


def _stream(
    method: Callable[Concatenate[AsyncClient, P], AsyncIterator[T]],
) -> Callable[Concatenate[Client, P], Iterator[T]]:
    @functools.wraps(method)
    def call(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return self._iterate(method(self._core, *args, **kwargs))

    return call


class Client:
    """AsyncClient for code that is not async, from any thread; close it when done.

    Ctrl-C, or any other exception in the waiting thread, cancels the call on its way.
    """

    def __init__(self, socket: Path, *, user: str | None = None, session: str | None = None) -> None:
        self._core = AsyncClient(socket, user=user, session=session)
        self._streams: list[AsyncIterator[Any]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="vecward-client", daemon=True)
        self._thread.start()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._loop.is_closed():
            return
        for stream in list(self._streams):  # from the outside in; shutdown_asyncgens would close all at once
            self._run(_close(stream))
        self._run(self._core.aclose())
        self._run(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    health = _call(AsyncClient.health)
    info = _call(AsyncClient.info)
    gpus = _call(AsyncClient.gpus)
    openapi = _call(AsyncClient.openapi)
    usage = _call(AsyncClient.usage)
    audit = _call(AsyncClient.audit)
    sign_in = _call(AsyncClient.sign_in)

    tenants = _call(AsyncClient.tenants)
    tenant = _call(AsyncClient.tenant)
    put_tenant = _call(AsyncClient.put_tenant)
    plan_tenant = _call(AsyncClient.plan_tenant)
    delete_tenant = _call(AsyncClient.delete_tenant)
    start = _call(AsyncClient.start)
    stop = _call(AsyncClient.stop)
    restart = _call(AsyncClient.restart)
    park = _call(AsyncClient.park)
    bench = _call(AsyncClient.bench)

    operation = _call(AsyncClient.operation)
    wait = _call(AsyncClient.wait)
    cancel = _call(AsyncClient.cancel)

    entries = _call(AsyncClient.entries)
    add = _call(AsyncClient.add)
    set_texts = _call(AsyncClient.set_texts)
    edit = _call(AsyncClient.edit)
    delete = _call(AsyncClient.delete)
    import_entries = _call(AsyncClient.import_entries)
    export = _stream(AsyncClient.export)
    history = _call(AsyncClient.history)
    undo = _call(AsyncClient.undo)

    backup = _stream(AsyncClient.backup)
    restore = _call(AsyncClient.restore)
    recover = _call(AsyncClient.recover)
    salvage = _stream(AsyncClient.salvage)

    search = _call(AsyncClient.search)
    entry_vector = _call(AsyncClient.entry_vector)
    vector = _call(AsyncClient.vector)

    logs = _call(AsyncClient.logs)
    follow_logs = _stream(AsyncClient.follow_logs)
    events = _call(AsyncClient.events)
    follow_events = _stream(AsyncClient.follow_events)

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        if self._loop.is_closed():
            coroutine.close()
            raise RuntimeError("cannot use this client: it is closed")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # without effect when the exception is the call's own
            raise

    def _iterate(self, stream: AsyncIterator[T]) -> Iterator[T]:
        end = object()

        async def following() -> T | object:
            return await anext(stream, end)

        self._streams.append(stream)
        try:
            while (item := self._run(following())) is not end:
                yield item  # type: ignore[misc]
        finally:
            self._streams.remove(stream)
            if not self._loop.is_closed():  # a stream left alone ends with its client, and is collected later
                self._run(_close(stream))


async def _close(stream: AsyncIterator[Any]) -> None:
    close = getattr(stream, "aclose", None)
    if close is not None:
        await close()
