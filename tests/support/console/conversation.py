"""One conversation with a daemon, as the console has it, and the facts in which every daemon's answers agree."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from pydantic import BaseModel

from daemon.client import AsyncClient
from daemon.core import wire
from daemon.core.errors import VecwardError

Connect = Callable[[str], AbstractAsyncContextManager[AsyncClient]]
Outcomes = dict[str, Any]

TEXTS = ["the printer is upstairs", "lunch is at noon", "the door code changes monthly"]
# Fields in which no two daemons are alike: times, what the model makes, what the host has, and words.
_TIMES = {"at", "created_at", "updated_at", "timing", "uptime_s"}
_MODELS = {"score", "fingerprint", "dimension", "threshold", "backend", "device", "memory_mb", "pid"}
_HOSTS = {"isolation", "restarts", "rates"}
_WORDS = {"title", "reason", "warnings"}
_DETAILS = {"details", "progress"}
_OWN = _TIMES | _MODELS | _HOSTS | _WORDS | _DETAILS


def facts(answer: Any) -> Any:
    """Reduce an answer to what every daemon must say."""
    if isinstance(answer, wire.Operation):
        return {"kind": answer.kind, "tenant": answer.tenant, "state": answer.state, "result": facts(answer.result)}
    if isinstance(answer, wire.Info):
        return {"type": "Info", "admin": answer.admin}
    if isinstance(answer, BaseModel):
        named = {name: facts(value) for name, value in answer if name not in _OWN}
        return {"type": type(answer).__name__, **named}
    if isinstance(answer, dict):
        return {name: facts(value) for name, value in answer.items() if name not in _OWN}
    return [facts(one) for one in answer] if isinstance(answer, list | tuple) else answer


def differences(real: Any, fake: Any, where: str = "") -> list[str]:
    """List where two sets of facts differ."""
    if isinstance(real, dict) and isinstance(fake, dict):
        keys = [*real, *(key for key in fake if key not in real)]
        return [one for key in keys for one in differences(real.get(key), fake.get(key), f"{where}/{key}")]
    return [] if real == fake else [f"{where}: real {real!r}, fake {fake!r}"]


class Conversation:
    """Calls of several users, in order; `outcomes` has the facts of each, or the kind of its error."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self.outcomes: Outcomes = {}

    async def ask(self, user: str, what: str, call: Callable[[AsyncClient], Awaitable[Any]]) -> Any:
        """Make one call as this user."""
        step = f"{len(self.outcomes) + 1} {user}: {what}"
        async with self._connect(user) as client:
            try:
                answer = await call(client)
            except VecwardError as error:
                self.outcomes[step] = error.kind
                return None
        self.outcomes[step] = facts(answer)
        return answer


async def talk(connect: Connect) -> Outcomes:
    """Hold the conversation about two tenants: acme, empty and open to demo and editor, and globex, open to neither."""
    said = Conversation(connect)
    await _reading_nothing(said)
    await _writing(said)
    await _one_entry(said)
    await _taking_back(said)
    await _vectors(said)
    await _files(said)
    await _searching(said)
    await _running(said)
    return said.outcomes


async def _reading_nothing(said: Conversation) -> None:
    for user in ("nobody", "demo", "editor", "admin"):
        await said.ask(user, "info", lambda client: client.info())
        await said.ask(user, "names of tenants", _names)
        await said.ask(user, "gpus", lambda client: _type(client.gpus()))
        await said.ask(user, "audit", lambda client: _type(client.audit(None, 5, None, action="stop")))
        for tenant in ("acme", "globex", "none"):
            await said.ask(user, f"view of {tenant}", lambda client, tenant=tenant: client.tenant(tenant))
    await said.ask("admin", "first tenant", lambda client: client.tenants(limit=1))
    await said.ask("admin", "second tenant", lambda client: client.tenants(after="acme", limit=1))
    await said.ask("admin", "tenants by name", lambda client: client.tenants(q="glo"))
    await said.ask("admin", "stopped tenants", lambda client: client.tenants(state="stopped"))


async def _writing(said: Conversation) -> None:
    given = [*TEXTS[:2], "no", TEXTS[0]]
    await said.ask("demo", "set", lambda client: client.set_texts("acme", given))
    await said.ask("editor", "set elsewhere", lambda client: client.set_texts("globex", given))
    await said.ask("editor", "dry run", lambda client: client.set_texts("acme", given, dry_run=True))
    await said.ask("editor", "set", lambda client: client.set_texts("acme", given))
    await said.ask("editor", "set the same", lambda client: client.set_texts("acme", given))
    await said.ask("editor", "set too late", lambda client: client.set_texts("acme", TEXTS, if_match=99))
    new = [wire.NewEntry(text=TEXTS[2], metadata={"floor": 3}), wire.NewEntry(text=TEXTS[0]), wire.NewEntry(text="no")]
    await said.ask("editor", "add", lambda client: client.add("acme", new))
    await said.ask("demo", "add", lambda client: client.add("acme", new))
    await said.ask("editor", "add too late", lambda client: client.add("acme", new, if_match=99))
    await said.ask("demo", "entries", lambda client: client.entries("acme", limit=2))
    await said.ask("demo", "more entries", lambda client: client.entries("acme", after=2, limit=2))
    await said.ask("demo", "entries that contain", lambda client: client.entries("acme", q="LUNCH"))
    await said.ask("demo", "view", lambda client: client.tenant("acme"))


async def _one_entry(said: Conversation) -> None:
    await said.ask("editor", "edit a text", lambda client: client.edit("acme", 2, text="lunch is at one"))
    await said.ask("editor", "edit metadata", lambda client: client.edit("acme", 2, metadata={"day": "any"}))
    await said.ask("editor", "edit nothing", lambda client: client.edit("acme", 99, text="lunch is at two"))
    await said.ask("editor", "edit too late", lambda client: client.edit("acme", 2, text="late lunch", if_match=99))
    await said.ask("demo", "edit", lambda client: client.edit("acme", 2, text="lunch is at two"))
    await said.ask("editor", "delete", lambda client: client.delete("acme", [3, 99]))
    await said.ask("editor", "delete too late", lambda client: client.delete("acme", [1], if_match=99))
    await said.ask("demo", "delete", lambda client: client.delete("acme", [1]))
    await said.ask("editor", "entries", lambda client: client.entries("acme"))


async def _taking_back(said: Conversation) -> None:
    await said.ask("demo", "history", lambda client: client.history("acme"))
    await said.ask("editor", "history", lambda client: client.history("acme", limit=2))
    await said.ask("demo", "undo", lambda client: client.undo("acme"))
    await said.ask("editor", "undo too late", lambda client: client.undo("acme", if_match=99))
    await said.ask("editor", "undo", lambda client: client.undo("acme"))
    await said.ask("editor", "entries", lambda client: client.entries("acme"))
    await said.ask("editor", "history after that", lambda client: client.history("acme"))


async def _vectors(said: Conversation) -> None:
    await said.ask("demo", "vector of a text", lambda client: _numbers(client.vector("acme", "lunch", "query", 3)))
    await said.ask("demo", "vector of an entry", lambda client: _numbers(client.entry_vector("acme", 1, 3)))
    await said.ask("demo", "vector of nothing", lambda client: client.entry_vector("acme", 99))
    await said.ask("demo", "vector elsewhere", lambda client: client.vector("globex", "lunch"))


async def _files(said: Conversation) -> None:
    await said.ask("editor", "export", lambda client: _lines(client.export("acme")))
    await said.ask("editor", "export as CSV", lambda client: _count(client.export("acme", "csv")))
    await said.ask("editor", "export as JSON Lines", lambda client: _count(client.export("acme", "jsonl")))
    await said.ask("demo", "export", lambda client: _lines(client.export("acme")))
    await said.ask("editor", "export elsewhere", lambda client: _lines(client.export("globex")))
    data = f"{TEXTS[0]}\nthe lift is out of order\nno\n".encode()
    await said.ask("editor", "import", lambda client: _ended(client, client.import_entries("acme", data, "text/plain")))
    await said.ask("demo", "import", lambda client: client.import_entries("acme", data, "text/plain"))
    await said.ask("editor", "operation", lambda client: client.operation("acme", "e-404"))
    await said.ask("editor", "entries", lambda client: client.entries("acme"))


async def _searching(said: Conversation) -> None:
    await said.ask("demo", "search", lambda client: _best(client.search("acme", TEXTS[0], k=2)))
    filtered = {"floor": 3}
    await said.ask("demo", "filtered search", lambda client: client.search("acme", TEXTS[0], filter=filtered))
    await said.ask("demo", "search elsewhere", lambda client: client.search("globex", TEXTS[0]))
    await said.ask("nobody", "search", lambda client: client.search("acme", TEXTS[0]))


async def _running(said: Conversation) -> None:
    for user in ("demo", "editor"):
        await said.ask(user, "stop", lambda client: client.stop("acme"))
        await said.ask(user, "start", lambda client: client.start("acme"))
        await said.ask(user, "restart", lambda client: client.restart("acme"))
    await said.ask("admin", "stop", lambda client: _ended(client, client.stop("acme")))
    await said.ask("demo", "view of what is stopped", lambda client: client.tenant("acme"))
    await said.ask("demo", "search what is stopped", lambda client: client.search("acme", TEXTS[0]))
    await said.ask("editor", "write what is stopped", lambda client: client.set_texts("acme", TEXTS))
    await said.ask("admin", "start", lambda client: _ended(client, client.start("acme")))
    await said.ask("admin", "restart", lambda client: _ended(client, client.restart("acme")))


async def _names(client: AsyncClient) -> list[str]:
    page = await client.tenants()
    return [one.name for one in page.tenants]


async def _type(answer: Awaitable[BaseModel]) -> str:
    return type(await answer).__name__


async def _numbers(answer: Awaitable[wire.Vector]) -> int:
    return len((await answer).values)


async def _lines(chunks: AsyncIterator[bytes]) -> list[str]:
    return b"".join([chunk async for chunk in chunks]).decode().splitlines()


async def _count(chunks: AsyncIterator[bytes]) -> int:
    return len(await _lines(chunks))


async def _best(answer: Awaitable[wire.SearchResult]) -> list[Any]:
    found = await answer
    return [len(found.results), found.results[0].id, found.results[0].text, found.revision]


async def _ended(client: AsyncClient, answer: Awaitable[wire.Operation]) -> wire.Operation:
    operation = await answer
    while operation.state is wire.OperationState.RUNNING:
        operation = await client.wait(operation.tenant, operation.id)
    return operation
