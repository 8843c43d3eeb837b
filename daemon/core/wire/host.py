"""The host, its GPUs, its users and its audit log."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict

from daemon.core.wire.base import Answer, Request


class Health(Answer):
    status: Literal["ok"] = "ok"
    version: str
    uptime_s: float


class OpenApi(Answer):
    """The description of the API, OpenAPI 3.1; its other members are kept as they come."""

    model_config = ConfigDict(frozen=True, extra="allow")

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]


class HostMemory(Answer):
    total_mb: float
    available_mb: float


class Info(Answer):
    """What an operator needs to know of this daemon; paths and host figures are for admins only."""

    version: str
    isolation: str
    isolation_words: dict[str, str] = {}
    admin: bool
    caller: list[str]
    paths: dict[str, str] = {}
    memory: HostMemory | None = None
    tenants: int = 0


class GpuProcess(Answer):
    pid: int
    memory_mb: float | None = None
    tenant: str | None = None


class Gpu(Answer):
    index: int
    uuid: str
    name: str
    memory_mb: float
    memory_used_mb: float
    temperature_c: int | None = None
    utilisation_percent: int | None = None
    tenants: list[str] = []
    processes: list[GpuProcess] = []
    problem: str | None = None  # why no tenant can use it, in words: lost, split by MIG


NO_GPU = "no GPU on this host"


class GpuList(Answer):
    """`note` says in words why the list is empty: NO_GPU, or what is wrong with the driver."""

    gpus: list[Gpu]
    note: str | None = None


class SignIn(Request):
    name: str
    password: str


class SignedIn(Answer):
    """`session` changes with the password: the console sends it back as `Vecward-Session`."""

    name: str
    session: str
    admin: bool


class AuditPage(Answer):
    """Newest first; `next` is the `before` of the page of older lines, None where there are none."""

    lines: list[dict[str, Any]]
    next: int | None = None
