"""The installed command `vecward`, run as a shell runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

VECWARD = Path(sys.executable).parent / "vecward"


class Shell:
    """Commands of one installation: `vecward --root ROOT …`."""

    def __init__(self, root: Path) -> None:
        self.command = [str(VECWARD), "--root", str(root)]

    def run(self, *arguments: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [*self.command, *map(str, arguments)]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)

    def json(self, *arguments: object, stdin: str = "") -> Any:
        ended = self.run(*arguments, "--json", stdin=stdin)
        assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
        return json.loads(ended.stdout)

    def start(self, *arguments: object, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        command = [*self.command, *map(str, arguments)]
        return subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
