"""The daemon as it is, but for one thing: the tenant `evil` runs hostile_encoder.py."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from daemon.__main__ import main
from daemon.supervisor.launcher import Launcher
from daemon.supervisor.process import Launch
from daemon.supervisor.tenant import Tenant

HOSTILE = str(Path(__file__).with_name("hostile_encoder.py"))
_launch = Launcher.launch


async def launch(self: Launcher, tenant: Tenant) -> Launch:
    found = await _launch(self, tenant)
    return replace(found, program=[HOSTILE]) if tenant.name == "evil" else found


if __name__ == "__main__":
    Launcher.launch = launch  # type: ignore[method-assign]
    sys.exit(main())
