"""The process that runs probes where it was started; the request comes on stdin, a JSON line goes out for each."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import traceback
from typing import Any

from daemon.cli.attacks import exhaustion, files, ipc, network, privilege, processes
from daemon.cli.attacks.probes import PROBES, Target

__all__ = ["exhaustion", "files", "ipc", "network", "privilege", "processes"]  # importing fills PROBES

PROBE_TIMEOUT_S = 20
_NUMBER = re.compile(r"\[Errno \d+\] ")


def attempt(name: str, target: Target) -> dict[str, Any]:
    """Run one probe in a child of its own: the uid or the limits that it gets end with that."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (PROBE_TIMEOUT_S, PROBE_TIMEOUT_S))
        os.write(writer, json.dumps(_outcome(name, target)).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        answer = file.read()
    os.waitpid(pid, 0)
    found: dict[str, Any] = json.loads(answer) if answer else {"reached": False, "words": "the probe was ended"}
    return {"name": name, **found}


def _outcome(name: str, target: Target) -> dict[str, Any]:
    try:
        return {"reached": True, "words": PROBES[name](target)[:500]}
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return {"reached": False, "words": _NUMBER.sub("", str(error))[:500]}
    except Exception:  # noqa: BLE001  (a probe with a bug proves nothing: its traceback is the answer)
        return {"reached": None, "words": traceback.format_exc()[-1000:]}


def become(uid: int) -> None:
    """Give up root for this uid."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def main() -> None:
    request = json.loads(sys.stdin.read())
    if request["uid"] is not None:
        become(request["uid"])
    for name in request["names"]:
        print(json.dumps(attempt(name, request["target"])), flush=True)


if __name__ == "__main__":
    main()
