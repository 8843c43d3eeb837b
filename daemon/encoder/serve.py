"""The running encoder: its parts wired together, served until the daemon says stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from functools import partial

import uvloop

from daemon.core.config.tenant_config import TenantConfig
from daemon.core.encoder_protocol import control
from daemon.core.encoder_protocol.progress_page import ProgressWriter
from daemon.encoder.changes.operations import Operations
from daemon.encoder.changes.pipeline import Changes
from daemon.encoder.changes.swap import Live
from daemon.encoder.changes.threads import Threads
from daemon.encoder.changes.upkeep import Upkeep
from daemon.encoder.handlers import routes
from daemon.encoder.http.app import App
from daemon.encoder.index.keeper import Keeper
from daemon.encoder.knowledge import Knowledge
from daemon.encoder.model_thread.batches import Batches
from daemon.encoder.model_thread.heartbeat import Heartbeat
from daemon.encoder.model_thread.pacing import Pace
from daemon.encoder.model_thread.query_cache import QueryCache
from daemon.encoder.model_thread.worker import Worker
from daemon.encoder.process import data_lock
from daemon.encoder.process.control_channel import ControlChannel
from daemon.encoder.process.options import Options
from daemon.encoder.process.server import Server
from daemon.encoder.process.startup import Parts, snapshot_path, start

log = logging.getLogger(__name__)

_REPORT_AGAIN_S = 0.2


def run(options: Options, config: TenantConfig, channel: ControlChannel) -> None:
    """Serve until the daemon says stop, and what runs is done. Raises StartRefused."""
    data_lock.hold(options.data)
    parts = start(options, config, channel.send)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(options, config, channel, parts))
    parts.knowledge.close()


async def _serve(options: Options, config: TenantConfig, channel: ControlChannel, parts: Parts) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    channel.when_stopped(partial(loop.call_soon_threadsafe, stop.set))
    keeper = Keeper(parts.index, snapshot_path(options), fresh=parts.fresh)
    progress = ProgressWriter(options.progress_fd)
    heart = Heartbeat(progress)
    parts.knowledge.database.watch(progress.moved)
    batches = _batches(progress, config, parts)
    worker = Worker(
        batches,
        loop,
        heart,
        max_queue=config.search.max_queue,
        batch_tokens=_batch_tokens(config, parts),
        idle=keeper.idle,
    )
    worker.start()
    threads = Threads(progress, heart)
    report = partial(_report_change, loop, channel, parts.knowledge)
    changes = Changes(parts.knowledge, threads, worker, keeper, report)
    operations = Operations(options.tenant, parts.knowledge, threads)
    live = Live(parts.knowledge, threads, changes, worker, batches, keeper, parts.index_kind)
    app = App(routes.table(options.tenant, config, parts, live, operations))
    server = Server(app, stop)
    listener = socket.socket(fileno=options.listen_fd)
    hours = config.knowledge.old_vectors_hours
    upkeep = asyncio.create_task(Upkeep(threads, parts.knowledge, parts.backend.fingerprint, hours).run())
    channel.send(_ready(parts), wait=True)
    log.info("ready", extra={"entries": parts.knowledge.reads.total, "revision": parts.knowledge.reads.revision})
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve_on(listener))
        group.create_task(_close_when(stop, operations))
    upkeep.cancel()
    threads.close()
    await worker.stop()
    keeper.finish()


async def _close_when(stop: asyncio.Event, operations: Operations) -> None:
    """End the operations first of all at a stop: the server's drain waits for those who wait for one."""
    await stop.wait()
    await operations.close()


def _report_change(loop: asyncio.AbstractEventLoop, channel: ControlChannel, knowledge: Knowledge) -> None:
    """Send the daemon the newest figures, later if it has not read the last ones yet."""
    if not channel.send(control.Changed(entries=knowledge.reads.total, revision=knowledge.reads.revision)):
        loop.call_later(_REPORT_AGAIN_S, _report_change, loop, channel, knowledge)


def _batch_tokens(config: TenantConfig, parts: Parts) -> int:
    return min(config.encoder.batch_tokens, parts.backend.batch_tokens)


def _batches(progress: ProgressWriter, config: TenantConfig, parts: Parts) -> Batches:
    return Batches(
        parts.backend,
        parts.index,
        progress,
        parts.knowledge.reads.hits,
        QueryCache(config.encoder.query_cache),
        Pace(parts.query_s, _batch_tokens(config, parts)),
    )


def _ready(parts: Parts) -> control.Ready:
    return control.Ready(
        entries=parts.knowledge.reads.total,
        revision=parts.knowledge.reads.revision,
        fingerprint=parts.backend.fingerprint,
        dimension=parts.backend.dimension,
        device=parts.backend.device,
        query_ms=round(parts.query_s * 1000, 3),
    )
