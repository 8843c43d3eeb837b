"""The daemon, except that the tenants `evil` and `evil-…` run the hostile encoders of this folder."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from daemon.__main__ import main
from daemon.supervisor.launcher import Launcher
from daemon.supervisor.process.launch import Launch
from daemon.supervisor.tenants.tenant import Tenant

HOSTILE = {"evil": "hostile_encoder.py", "evil-filler": "filling_encoder.py"}  # by the beginning of the name
_launch = Launcher.launch


async def launch(self: Launcher, tenant: Tenant) -> Launch:
    found = await _launch(self, tenant)
    name = next((name for name in sorted(HOSTILE, reverse=True) if tenant.name.startswith(name)), None)
    if name is None:
        return found
    code = Path(__file__).with_name(HOSTILE[name]).read_text()  # by its text: no sandbox shows the file
    return replace(found, program=["-c", code])


if __name__ == "__main__":
    Launcher.launch = launch  # type: ignore[method-assign]
    sys.exit(main())
