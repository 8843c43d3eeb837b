"""The services that all tenants share, made by the manager."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from daemon.supervisor.process.encoder_process import EncoderProcess, OnEnd, OnMessage
from daemon.supervisor.process.launch import Launch
from daemon.supervisor.records.events import EventLog
from daemon.supervisor.records.state_db import StateDb
from daemon.supervisor.tenants.starts.start_slots import StartSlots

Spawn = Callable[[Launch, OnMessage, OnEnd], EncoderProcess]


@dataclass(frozen=True)
class TenantServices:
    """Services by tenant name.

    Attributes:
        launch: prepares a start (GPU, sandbox), which may take a while.
        release: gives back what a tenant at rest does not need.
        before_stop: asks a ready encoder for its last figures, within a bounded time.
    """

    db: StateDb
    events: EventLog
    launch: Callable[[str], Awaitable[Launch]]
    release: Callable[[str], None]
    before_stop: Callable[[str], Awaitable[None]] | None = None
    isolation: str = "process"
    slots: StartSlots = field(default_factory=StartSlots)
    spawn: Spawn = EncoderProcess
