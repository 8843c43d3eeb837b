"""Every attack of the table, played from inside a tenant's sandbox and by that tenant's uid on the host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from daemon.cli.attacks import probe_process
from daemon.cli.attacks.probes import PROBES
from daemon.cli.attacks.run import judge, play, run_attacks
from daemon.cli.attacks.stage import Outcome, Stage
from daemon.cli.attacks.table import ATTACKS, Attack
from daemon.cli.attacks.target import ATTACKER
from daemon.core.errors import StartRefused
from tests.isolation.conftest import needs_root

Played = tuple[dict[str, Outcome], dict[str, Outcome], dict[str, Outcome]]

BY_NAME = {attack.name: attack for attack in ATTACKS}
OUTSIDE = [attack.name for attack in ATTACKS if attack.outside]


@pytest.fixture(scope="module")
def played(stage: Stage) -> Played:
    return play(stage, ATTACKS)


def test_every_probe_is_in_the_table() -> None:
    assert set(PROBES) == set(BY_NAME)
    assert probe_process.__all__


@needs_root
@pytest.mark.parametrize("name", BY_NAME)
def test_it_succeeds_without_the_protection(played: Played, name: str) -> None:
    control = played[2][name]
    assert control.reached, control.words


@needs_root
@pytest.mark.parametrize("name", BY_NAME)
def test_it_fails_in_the_sandbox(played: Played, name: str) -> None:
    outcome = played[0][name]
    assert outcome.reached is False, outcome.words


@needs_root
@pytest.mark.parametrize("name", OUTSIDE)
def test_it_fails_for_another_tenants_user_on_the_host(played: Played, name: str) -> None:
    outcome = played[1][name]
    assert outcome.reached is False, outcome.words


@needs_root
def test_probes_stand_in_the_very_sandbox_of_the_encoder(stage: Stage) -> None:
    """The running encoder's command line, up to its Python, is the probes' but for the filter's descriptor."""
    bubblewrap = psutil.Process(stage.pids[ATTACKER]).parents()[1]
    running = bubblewrap.cmdline()
    filter_at = running.index("--seccomp") + 1
    prefix = stage.sandbox().prefix(int(running[filter_at]))
    assert running[: len(prefix)] == prefix
    assert running[len(prefix) + 1 : len(prefix) + 3] == ["-m", "daemon.encoder"]


@needs_root
def test_an_encoders_environment_is_built_from_nothing(stage: Stage) -> None:
    environ = Path(f"/proc/{stage.pids[ATTACKER]}/environ").read_text().rstrip("\0").split("\0")
    expected = {f"{name}={value}" for name, value in stage.environment().items()}
    assert set(environ) - {"PWD=/"} == expected
    assert set(os.environ) - {name.partition("=")[0] for name in expected}  # the daemon had more, to be passed on


@needs_root
def test_an_encoder_has_the_descriptors_it_needs_and_no_others(stage: Stage) -> None:
    opened = {path.readlink().as_posix() for path in Path(f"/proc/{stage.pids[ATTACKER]}/fd").iterdir()}
    own = str(stage.attackers_folder)
    kinds = ("/dev/null", "pipe:", "socket:", "anon_inode:", "/memfd:vecward-", f"{own}/")
    assert [name for name in opened if not name.startswith(kinds)] == []


def test_a_verdict_needs_a_control_that_succeeds() -> None:
    attack = Attack("read-data", "")
    refused, reached = Outcome("read-data", False, "no"), Outcome("read-data", True, "yes")
    broken_probe = Outcome("read-data", None, "Traceback")

    def verdict(inside: Outcome, outside: Outcome, control: Outcome) -> str:
        (row,) = judge([attack], {"read-data": inside}, {"read-data": outside}, {"read-data": control})
        return row.verdict

    assert verdict(refused, refused, reached) == "held"
    assert verdict(refused, reached, reached) == "broken"
    assert verdict(reached, refused, refused) == "broken"
    assert verdict(refused, refused, refused) == "unproven"
    assert verdict(broken_probe, refused, reached) == "unproven"


@needs_root
def test_doctors_attacks_leave_the_installation_alone(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "users.yaml").write_text("users: {}\n")
    before = _tree(tmp_path)
    command = [str(Path(sys.executable).parent / "vecward"), "--root", str(tmp_path), "doctor", "--attack", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert _tree(tmp_path) == before
    rows = json.loads(done.stdout)["attacks"]
    assert [row for row in rows if row["verdict"] != "held"] == []
    assert {row["name"] for row in rows} == {attack.name for attack in ATTACKS if not attack.exhausts}


def test_doctors_attacks_need_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(StartRefused, match="run it with sudo"):
        run_attacks()


def _tree(root: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_mode) for path in root.rglob("*")}
