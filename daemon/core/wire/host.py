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


Lacking = Literal["cgroups", "seccomp"]
DiskBound = Literal["quota", "watch"]


class Info(Answer):
    """The daemon about itself; paths and figures of the host are for admins alone.

    `lacking` names the parts of strict isolation that this host does not give, and `disk` what holds a tenant to
    `limits.disk_mb` when its encoder does not; clients have the words.
    """

    version: str
    isolation: str
    lacking: list[Lacking] = []
    disk: DiskBound | None = None
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
    """The GPUs of the host; `note` says why there are none: NO_GPU, or what is wrong with the driver."""

    gpus: list[Gpu]
    note: str | None = None


class SignIn(Request):
    name: str
    password: str


class SignedIn(Answer):
    """A user who has signed in; the console sends `session` back as `Vecward-Session`, until the password changes."""

    name: str
    session: str
    admin: bool


class AuditPage(Answer):
    """Lines of the audit log, newest first; `next` is the `before` of the page of older ones, None on the last."""

    lines: list[dict[str, Any]]
    next: int | None = None
