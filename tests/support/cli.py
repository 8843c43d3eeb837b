"""The command line as a shell runs it, in this process; and what came of it."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from daemon.cli.app import run


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.out)

    @property
    def documents(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


Vecward = Callable[..., Ended]


@pytest.fixture
def vecward(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Vecward:
    """``vecward("--root", root, "status", stdin=b"…")``."""
    monkeypatch.delenv("VECWARD_ROOT", raising=False)

    def invoke(*arguments: object, stdin: bytes = b"") -> Ended:
        monkeypatch.setattr(sys, "argv", ["vecward", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        capsys.readouterr()
        code: Any = 0
        try:
            run()
        except SystemExit as end:
            code = end.code or 0
        said = capsys.readouterr()
        return Ended(code, said.out, said.err)

    return invoke
