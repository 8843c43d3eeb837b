"""The suite's children take SIGINT and SIGHUP however the suite was started."""

from __future__ import annotations

import subprocess
import sys

START = "trap '' INT HUP; exec \"$@\""
PARENT = """
import os, signal, subprocess
from tests.support.signals import reset_in_children, signals_of
reset_in_children()
child = subprocess.Popen(["/bin/sleep", "60"])
os.kill(os.getpid(), signal.SIGINT)  # goes on, as it was started to
print(sorted({signal.SIGINT, signal.SIGHUP} & signals_of(child.pid, "SigIgn")))
child.send_signal(signal.SIGHUP)
print(child.wait(10))
"""


def test_children_of_a_suite_that_ignores_signals_take_them() -> None:
    command = ["/bin/sh", "-c", START, "sh", sys.executable, "-c", PARENT]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.stdout, ended.stderr) == ("[]\n-1\n", "")
