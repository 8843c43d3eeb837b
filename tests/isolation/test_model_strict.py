"""`vecward model` beside a strict daemon: children with the tenant's uid; who has the network has nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from daemon.cli import model_jobs
from daemon.supervisor.isolation.data_folders import as_tenant
from tests.isolation.conftest import needs_root
from tests.support.daemons import CHECKOUT, RunningDaemon, running_daemon
from tests.support.encoder.hub import hub
from tests.support.models import copy_model, needs_torch

pytestmark = [needs_root, pytest.mark.timeout(300)]

MODEL = "Qwen/Qwen3-Embedding-tiny"
TENANT: dict[str, Any] = {
    "encoder": {"backend": "sentence-transformers", "model": MODEL, "device": "cpu"},
    "limits": {"cpus": 1, "start_s": 240},
    "search": {"deadline_s": 30},
}


@pytest.fixture
def daemon() -> Iterator[RunningDaemon]:
    """One tenant that has failed for want of its model, and has its uid since."""
    with running_daemon({"acme": TENANT}, isolation="strict") as running:
        view = running.wait_state("acme", "failed", deadline_s=120)
        assert "`vecward model fetch acme`" in str(view.reason)
        yield running


def vecward(
    daemon: RunningDaemon, *arguments: object, url: str = "http://127.0.0.1:9"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "daemon.cli", "--root", str(daemon.root), "model", *map(str, arguments), "--json"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "HF_ENDPOINT": url},
    )


def model_in(folder: Path) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(bytes(1000))
    return folder


def test_a_hub_is_reached_and_what_came_is_the_tenants(daemon: RunningDaemon, tmp_path: Path) -> None:
    data = daemon.paths.tenant("acme").data
    with hub(MODEL, model_in(tmp_path / "published")) as served:
        done = vecward(daemon, "fetch", "acme", url=served.url)
        assert done.returncode == 0, done.stderr
        first = json.loads(done.stdout)
        asked = len([request for request in served.asked if "/resolve/" in request])
        again = json.loads(vecward(daemon, "fetch", "acme", url=served.url).stdout)
        assert len([request for request in served.asked if "/resolve/" in request]) == asked
    assert (first["changed"], again["changed"]) == (True, False)
    assert first["commit"] == again["commit"]
    assert first["folder"] == again["folder"] == str(data / "models" / MODEL)
    uid = data.stat().st_uid
    assert uid != 0
    made = list((data / "models").rglob("*"))
    assert {path.name for path in made} >= {"config.json", "model.safetensors", "vecward-manifest.json"}
    assert {path.stat().st_uid for path in made} == {uid}
    assert list((daemon.root / "fetching").iterdir()) == []
    done = vecward(daemon, "verify", "acme", "--files-only")
    assert json.loads(done.stdout)["problems"] == []


def test_who_has_the_network_sees_nothing_of_the_tenant(daemon: RunningDaemon) -> None:
    tenant = model_jobs._tenant(daemon.paths, "acme")
    inside = model_jobs._sandbox(tenant)
    depot = model_jobs._depot(tenant)
    depot.data.parent.mkdir(mode=0o700)
    depot.give_to(inside.uid)
    outside = replace(inside, data=depot.data, readable=(), network=True)
    look = ["sh", "-c", f"ls {tenant.data} {daemon.paths.etc} 2>&1; cat /proc/net/dev; touch {depot.data}/mine; id -u"]
    seen = as_tenant(outside, look, check=False)
    assert seen.count("No such file or directory") == 2
    assert Path("/proc/net/dev").read_text().count(":") == seen.count(":") - seen.split("Inter-")[0].count(":")
    assert (depot.data / "mine").stat().st_uid == inside.uid == int(seen.split()[-1])


def test_a_link_that_the_tenant_planted_leads_nowhere(daemon: RunningDaemon, tmp_path: Path) -> None:
    """models/ itself may lead to a place of the host's: the child sees that place no more than the encoder does."""
    target = tmp_path / "hosts-own"
    target.mkdir(mode=0o777)
    target.chmod(0o777)
    models = daemon.paths.tenant("acme").models
    if models.exists():
        models.rmdir()
    models.symlink_to(target)
    done = vecward(daemon, "fetch", "acme", "--from", model_in(tmp_path / "published"))
    assert done.returncode != 0
    assert list(target.iterdir()) == []


def test_without_a_first_start_there_is_no_user_to_fetch_as(tmp_path: Path) -> None:
    with running_daemon({"acme": TENANT}, start=False, isolation="strict") as daemon:
        done = vecward(daemon, "fetch", "acme", "--from", model_in(tmp_path / "published"))
        assert done.returncode == 1
        assert "`vecward start acme`" in done.stderr


def test_a_fetched_model_runs_in_the_sandbox(daemon: RunningDaemon, qwen3: Path, tmp_path: Path) -> None:
    needs_torch()
    source = copy_model(qwen3, tmp_path / "published")
    (source / "model.safetensors").chmod(0o600)
    assert "chmod -R o+rX" in vecward(daemon, "fetch", "acme", "--from", source).stderr
    (source / "model.safetensors").chmod(0o644)
    done = vecward(daemon, "fetch", "acme", "--from", source)
    assert done.returncode == 0, done.stderr
    found = json.loads(vecward(daemon, "verify", "acme").stdout)
    assert (found["problems"], found["dimension"]) == ([], 64)
    with daemon.client() as client:
        client.start("acme")
        daemon.wait_state("acme", "ready", deadline_s=240)
        client.set_texts("acme", ["a first entry", "a second entry"])
        assert len(client.search("acme", "entry").results) == 2
    assert daemon.tenant("acme").fingerprint == found["fingerprint"]
