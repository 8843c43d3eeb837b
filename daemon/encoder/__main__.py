"""`python -m daemon.encoder`: an encoder process, from its first instruction to its last."""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import NoReturn

from daemon.core import logs
from daemon.core.config.tenant_config import TenantConfig
from daemon.core.encoder_protocol import control
from daemon.core.errors import DiskFull, StartRefused, VecwardError
from daemon.encoder.process.control_channel import ControlChannel
from daemon.encoder.process.options import Options, parse
from daemon.encoder.process.parent import die_with_parent, limit_threads

log = logging.getLogger(__name__)

# The tokenising of a batch is pure Python: with CPython's 5 ms the event loop would wait that long for each turn.
_SWITCH_S = 0.0005


def main() -> int:
    die_with_parent()
    options = parse(sys.argv[1:])
    config = options.config()
    logs.setup(config.log.level)
    logs.tenant.set(options.tenant)
    logging.getLogger("faiss").setLevel(logging.WARNING)  # it logs at each start which CPU features it tried
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # until there is something to drain
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the daemon's affair
    limit_threads(config)
    sys.setswitchinterval(_SWITCH_S)
    channel = ControlChannel(options.control_fd)
    channel.start()
    channel.send(control.Warming(step="starting"))
    try:
        return _run(options, config, channel)
    except VecwardError as error:
        log.error("start-refused", extra={"kind": error.kind, "reason": error.message})  # noqa: TRY400 - no bug of ours
        channel.send(control.Refused(kind=error.kind, reason=error.message[:4096]), wait=True)
        return control.TRY_AGAIN_EXIT if isinstance(error, DiskFull) else control.SELF_REFUSED_EXIT


def _run(options: Options, config: TenantConfig, channel: ControlChannel) -> int:
    try:
        from daemon.encoder import serve
    except ImportError as error:
        raise StartRefused(
            f"cannot start the encoder: the Python package {error.name} is missing; "
            "install it with: pip install 'vecward[cpu]' (or [gpu])"
        ) from error
    serve.run(options, config, channel)
    return 0


def leave(code: int) -> NoReturn:
    """End the process without taking its modules apart, which takes seconds with PyTorch: all is written already."""
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main())
