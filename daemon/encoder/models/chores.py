"""What `vecward model` starts as a child: the tenant's configuration on standard input, one JSON document out."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from daemon.core.config.tenant_config import TenantConfig
from daemon.core.errors import VecwardError
from daemon.core.paths import TenantPaths

Answer = dict[str, Any]


@dataclass(frozen=True)
class Chore:
    """`source` is a folder to copy from, `have` the commit that is there already (fetch); `encode` whether a text is
    encoded for trial (verify)."""

    config: TenantConfig
    paths: TenantPaths
    source: Path | None = None
    have: str | None = None
    encode: bool = True


def run(module: str, work: Callable[[Chore], Answer]) -> int:
    """The exit code: 0 done, 1 refused with {"error": {kind, message}} on standard output."""
    parser = argparse.ArgumentParser(module, description="Started by `vecward model`.")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--from", dest="source", type=Path)
    parser.add_argument("--have", metavar="COMMIT")
    parser.add_argument("--files-only", action="store_true")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    chore = Chore(
        TenantConfig.model_validate_json(sys.stdin.buffer.read()),
        TenantPaths(options.data, options.data, options.data),
        options.source,
        options.have,
        not options.files_only,
    )
    return _answer(work, chore)


def _answer(work: Callable[[Chore], Answer], chore: Chore) -> int:
    try:
        answer, code = work(chore), 0
    except VecwardError as error:
        answer, code = {"error": {"kind": error.kind, "message": error.message}}, 1
    except OSError as error:
        answer, code = {"error": {"kind": "error", "message": f"cannot go on: {error}"}}, 1
    sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
    sys.stdout.flush()
    return code
