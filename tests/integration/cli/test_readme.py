"""The README's examples, run as they stand against the demo tenants."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemons import CHECKOUT, RunningDaemon, running_daemon

README = (CHECKOUT / "README.md").read_text()
EXAMPLES = re.findall(r"```(sh|python)\n# run\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def demo() -> Iterator[RunningDaemon]:
    with running_daemon(start=False, admins=[f"uid:{os.getuid()}"]) as daemon:
        for path in (CHECKOUT / "tenants.d").iterdir():
            (daemon.paths.tenants_d / path.name).write_bytes(path.read_bytes())
        yield daemon.start().ready("life-zh", "it-support")


def as_here(text: str, root: Path) -> str:
    vecward = f"{shlex.quote(sys.executable)} -m daemon.cli"
    return text.replace(".venv/bin/vecward", vecward).replace(".vecward", str(root))


@pytest.mark.parametrize(("language", "text"), EXAMPLES, ids=[f"{kind}-{at}" for at, (kind, _) in enumerate(EXAMPLES)])
def test_examples_run(demo: RunningDaemon, language: str, text: str) -> None:
    command = ["bash", "-euo", "pipefail", "-c"] if language == "sh" else [sys.executable, "-c"]
    found = subprocess.run(
        [*command, as_here(text, demo.root)], cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert "urn:vecward" not in found.stdout  # curl exits with 0 on a problem document, too
    assert found.stdout


def test_all_kinds_of_examples_were_found() -> None:
    assert [kind for kind, _ in EXAMPLES] == ["sh", "sh", "python"]


@pytest.mark.parametrize(
    ("tenant", "query", "expected"),
    [
        ("life-zh", "我想吃点东西", ("吃",)),
        ("life-zh", "客户说收不到验证码", ("验证码",)),
        ("life-zh", "怎么重置密码", ("密码",)),
        ("it-support", "客户说收不到验证码", ("code",)),
        ("it-support", "怎么重置密码", ("password",)),
    ],
)
def test_the_demo_finds_what_it_must(demo: RunningDaemon, tenant: str, query: str, expected: tuple[str, ...]) -> None:
    with demo.client() as client:
        first = client.search(tenant, query).results[0].text
    assert any(word in first.lower() for word in expected), first
