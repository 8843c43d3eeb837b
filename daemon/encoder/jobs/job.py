"""The tenant's side of a job process: how it begins, what it tells, and when it ends.

The protocol is described in `core/encoder_protocol/job.py`.
"""

from __future__ import annotations

import argparse
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel

from daemon.core import logs
from daemon.core.config.tenant_config import TenantConfig
from daemon.core.encoder_protocol.job import MAX_REASON_CHARS, Job, Problem
from daemon.core.errors import DiskFull, StartRefused, VecwardError
from daemon.core.files import disk
from daemon.encoder.process.options import read_all
from daemon.encoder.process.parent import die_with_parent

AddOptions = Callable[[argparse.ArgumentParser], object]


def begin(
    job: Job | str, add_options: AddOptions, *, on_terminal: bool = False
) -> tuple[argparse.Namespace, TenantConfig]:
    """The options and the tenant's configuration of a process that ends with the one that started it.

    `add_options` adds the options of this job alone. `on_terminal`: standard error is a person's, who reads warnings;
    else it is a log of JSON lines.
    """
    die_with_parent()
    parser = argparse.ArgumentParser(str(job), description="A job process, started by vecward.")
    parser.add_argument("--tenant", required=True)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--config-fd", required=True, type=int)
    add_options(parser)
    options = parser.parse_args()
    config = TenantConfig.model_validate_json(read_all(options.config_fd))
    if on_terminal:
        logging.basicConfig(level=logging.WARNING, format="%(message)s")
    else:
        logs.setup(config.log.level)
        logs.tenant.set(options.tenant)
    return options, config


def tell(message: BaseModel) -> None:
    """Write one message to whoever started this process."""
    print(message.model_dump_json(), flush=True)  # noqa: T201  (standard output is for messages)


@contextmanager
def telling_problems() -> Iterator[None]:
    """Tell errors that have a reason for a person; any other one ends the process with a traceback in its log."""
    try:
        yield
    except (VecwardError, ImportError, OSError) as error:
        tell(problem(error))


def problem(error: Exception) -> Problem:
    """The last message of a process that can't do its job."""
    if isinstance(error, VecwardError):
        return Problem(kind=error.kind, reason=error.message[:MAX_REASON_CHARS])
    kind = DiskFull.kind if disk.is_full(error) else StartRefused.kind
    return Problem(kind=kind, reason=f"cannot go on: {error}"[:MAX_REASON_CHARS])


def end_with_lifeline() -> threading.Event:
    """End this process, at any moment, when its lifeline is closed; the event is set by the word to go on."""
    go = threading.Event()

    def watch() -> None:
        while os.read(0, 64):
            go.set()
        os._exit(1)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()
    return go
