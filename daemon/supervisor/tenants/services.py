"""What all tenants share, given to each by the manager."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from daemon.core.encoder_protocol.control import FromEncoder
from daemon.supervisor.process.encoder_process import EncoderProcess, Ended, Launch
from daemon.supervisor.records.events import EventLog
from daemon.supervisor.records.state_db import StateDb
from daemon.supervisor.tenants.start_slots import Turns

if TYPE_CHECKING:
    from daemon.supervisor.tenants.tenant import Tenant

Spawn = Callable[
    [Launch, Callable[[EncoderProcess, FromEncoder], None], Callable[[EncoderProcess, Ended], None]], EncoderProcess
]


@dataclass(frozen=True)
class Services:
    """`launch` prepares a start and may take a while (GPU, sandbox); `release` gives back what a tenant that rests
    does not need; `before_stop` has a last look at a ready encoder, for a bounded time."""

    db: StateDb
    events: EventLog
    launch: Callable[[Tenant], Awaitable[Launch]]
    release: Callable[[Tenant], None]
    before_stop: Callable[[Tenant], Awaitable[None]] | None = None
    turns: Turns = field(default_factory=Turns)
    spawn: Spawn = EncoderProcess
