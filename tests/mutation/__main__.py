"""Changes a module in small ways, one at a time, and tells which changes the tests do not notice.

    python -m tests.mutation daemon/supervisor/states.py tests/unit/supervisor/test_states.py

mutmut 3 changes bodies of functions alone; what counts in a table of states is the table. Each change runs in a
process of its own, forked where pytest and the large libraries are loaded already: a second each.
"""

from __future__ import annotations

import contextlib
import importlib.abc
import importlib.machinery
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType

import pydantic
import pytest
import yaml

from tests.mutation.mutants import Mutant, mutants

PRELOADED = (pydantic, yaml)


class Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives out the changed module in the place of its file."""

    def __init__(self, file: Path, mutant: Mutant) -> None:
        self._name = ".".join(file.with_suffix("").parts)
        self._code: CodeType = compile(mutant.tree, str(file), "exec")

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        return importlib.machinery.ModuleSpec(name, self) if name == self._name else None

    def exec_module(self, module: ModuleType) -> None:
        exec(self._code, module.__dict__)  # noqa: S102 - it is what this is for


def is_noticed(file: Path, mutant: Mutant | None, tests: list[str]) -> bool:
    """True if a test fails, or nothing can be imported, with the change."""
    pid = os.fork()
    if pid == 0:
        if mutant is not None:
            sys.meta_path.insert(0, Changed(file, mutant))
        try:
            os._exit(_run(tests))
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0


def _run(tests: list[str]) -> int:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = pytest.main(["-x", "-q", "-n", "0", "-p", "no:cacheprovider", "--timeout", "60", *tests])
    return int(code != pytest.ExitCode.OK)


def main(module: str, *tests: str) -> int:
    file = Path(module)
    assert not is_noticed(file, None, list(tests)), f"{' '.join(tests)} must pass first"
    count, survivors = 0, 0
    for mutant in mutants(file.read_text()):
        count += 1
        if not is_noticed(file, mutant, list(tests)):
            survivors += 1
            print(f"{file}:{mutant.line}: survives: {mutant.words}", flush=True)  # noqa: T201
    print(f"{count} changes, {count - survivors} noticed")  # noqa: T201
    return min(survivors, 1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
