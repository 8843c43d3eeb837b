"""Operators read the logs by their group; nobody else does, and the group reaches no tenant's data."""

from __future__ import annotations

import grp
import subprocess
import sys
from pathlib import Path

from tests.conftest import StartDaemon
from tests.isolation.conftest import needs_root
from tests.support.daemons import CHECKOUT, fake_tenant, wait_for

pytestmark = needs_root

OPERATORS, OTHERS = "games", "news"  # groups of every Debian, with nobody in them here
UID = "29998"


def reads(path: Path, group: str) -> bool:
    """Tells whether somebody with this group alone can read the file, or list the folder."""
    what = ["ls", str(path)] if path.is_dir() else ["cat", str(path)]
    gid = str(grp.getgrnam(group).gr_gid)
    command = ["setpriv", "--reuid", UID, "--regid", gid, "--clear-groups", *what]
    return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0


def test_the_group_reads_logs_that_are_and_that_come_later(start_daemon: StartDaemon) -> None:
    daemon = start_daemon({"acme": fake_tenant()}, start=False, isolation="strict", logs={"group": OPERATORS})
    daemon.root.chmod(0o755)
    daemon.start().ready("acme")
    log = daemon.paths.tenant("acme").encoder_log
    wait_for(log.exists, what="the first line of the log")
    assert reads(log, OPERATORS)
    assert not reads(log, OTHERS)
    daemon.write_tenant("later", fake_tenant())
    with daemon.client() as client:
        wait_for(lambda: client.tenants().total == 2, what="the later tenant")
    daemon.wait_state("later", "ready")
    later = daemon.paths.tenant("later").encoder_log
    wait_for(later.exists, what="the first line of the later log")
    assert reads(later, OPERATORS)
    assert not reads(later, OTHERS)
    assert not reads(daemon.paths.tenant("acme").data, OPERATORS)
    assert log.stat().st_mode & 0o027 == 0


def test_an_unknown_group_is_refused_at_the_start(start_daemon: StartDaemon) -> None:
    daemon = start_daemon({}, start=False, logs={"group": "no-such-group"})
    command = [sys.executable, "-m", "daemon", "--root", str(daemon.root)]
    found = subprocess.run(command, cwd=CHECKOUT, capture_output=True, timeout=60, check=False)
    assert found.returncode == 1
    assert b"logs.group" in found.stderr
