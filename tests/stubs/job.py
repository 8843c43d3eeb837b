"""A job process that does as its last argument says: Python, with `say`, `problem` and `go` at hand."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable

from daemon.core.encoder_protocol.job import Step
from daemon.encoder.jobs.job import begin, end_with_lifeline, problem, tell, telling_problems


def main() -> None:
    options, config = begin("tests.stubs.job", _add_options)
    go = end_with_lifeline() if not options.deaf else None
    names = {"os": os, "signal": signal, "sys": sys, "time": time, "go": go, "config": config, "options": options}
    tools: dict[str, Callable[..., object]] = {"say": _say, "tell": tell, "problem": problem, "Step": Step}
    with telling_problems():
        exec(options.code, {**names, **tools})  # noqa: S102  (the test's own)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--deaf", action="store_true")
    parser.add_argument("code")


def _say(raw: bytes) -> None:
    while raw:
        raw = raw[os.write(1, raw) :]


if __name__ == "__main__":
    main()
