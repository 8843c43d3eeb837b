"""`vecward model fetch` and `verify` as a user runs them, against a hub on loopback and folders."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.core.paths import Paths
from daemon.encoder.models import manifest
from tests.support.daemons import CHECKOUT
from tests.support.encoder.hub import COMMIT, Hub, hub
from tests.support.models import needs_torch

MODEL = "Qwen/Qwen3-Embedding-tiny"
FILES = {
    "config.json": b'{"model_type": "qwen3"}',
    "modules.json": b"[]",
    "1_Pooling/config.json": b"{}",
    "model.safetensors": bytes(range(256)) * 4096,
    "README.md": b"words",
    "onnx/model.onnx": b"for another library",
}


class Tenant:
    """One installation with one tenant's file; `vecward` runs the command line in a process of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.paths = Paths.under(root)
        self.paths.tenants_d.mkdir(parents=True)
        self.paths.daemon_yaml.write_text('{"isolation": "process"}')
        self.write()

    def write(self, limits: dict[str, Any] | None = None, **encoder: Any) -> None:
        settings = {"backend": "sentence-transformers", "model": MODEL, **encoder}
        content = {"encoder": settings, "limits": limits or {}}
        (self.paths.tenants_d / "acme.yaml").write_text(json.dumps(content))

    @property
    def models(self) -> Path:
        return self.paths.tenant("acme").models

    def vecward(self, *arguments: object, url: str = "http://127.0.0.1:9") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "daemon.cli", "--root", str(self.root), "model", *map(str, arguments)],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=100,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT), "HF_ENDPOINT": url},
        )

    def fetched(self, *arguments: object, url: str = "http://127.0.0.1:9") -> dict[str, Any]:
        done = self.vecward("fetch", "acme", "--json", *arguments, url=url)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def refused(self, *arguments: object, url: str = "http://127.0.0.1:9") -> str:
        done = self.vecward(*arguments, url=url)
        assert done.returncode == 1, (done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done.stderr


@pytest.fixture
def tenant(tmp_path: Path) -> Tenant:
    return Tenant(tmp_path / "root")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model as far as fetching looks at one."""
    for name, content in FILES.items():
        path = tmp_path / "published" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "published"


@pytest.fixture
def served(folder: Path) -> Iterator[Hub]:
    with hub(MODEL, folder) as running:
        yield running


# --- from a hub ---------------------------------------------------------------------------------------


def test_a_model_is_fetched_whole_with_a_manifest(tenant: Tenant, served: Hub) -> None:
    found = tenant.fetched(url=served.url)
    assert (found["model"], found["commit"], found["files"], found["changed"]) == (MODEL, COMMIT, 4, True)
    home = tenant.models / MODEL
    assert found["folder"] == str(home)
    names = [str(path.relative_to(home)) for path in sorted(home.rglob("*")) if path.is_file()]
    assert set(names) == {
        "config.json",
        "modules.json",
        "1_Pooling/config.json",
        "model.safetensors",
        manifest.MANIFEST,
    }
    known = manifest.read(home)
    assert known is not None
    assert known.files["model.safetensors"].sha256 == manifest.digest(home / "model.safetensors")
    assert [path.name for path in tenant.models.iterdir()] == ["Qwen"]  # nothing is left of the download


def test_what_is_there_is_not_fetched_again(tenant: Tenant, served: Hub) -> None:
    tenant.fetched(url=served.url)
    served.asked.clear()
    assert tenant.fetched(url=served.url)["changed"] is False
    assert not [asked for asked in served.asked if "/resolve/" in asked]
    done = tenant.vecward("fetch", "acme", url=served.url)
    assert "is there already" in done.stdout


def test_a_revision_has_its_own_folder(tenant: Tenant, served: Hub) -> None:
    tenant.write(revision=COMMIT)
    assert tenant.fetched(url=served.url)["folder"] == str(tenant.models / f"{MODEL}@{COMMIT}")
    tenant.write(revision="v9")
    assert "it has no revision v9" in tenant.refused("fetch", "acme", url=served.url)


def test_a_download_that_breaks_goes_on_where_it_ended(tenant: Tenant, served: Hub) -> None:
    weights = served.folder / "model.safetensors"
    weights.write_bytes(FILES["model.safetensors"] * 24)  # the library writes pieces of 10 MiB
    served.break_after = 15_000_000
    assert tenant.fetched(url=served.url)["changed"] is True
    assert served.ranges[0].startswith("model.safetensors bytes=")
    assert (tenant.models / MODEL / "model.safetensors").read_bytes() == weights.read_bytes()


def test_a_download_that_fails_leaves_no_half_of_a_model(tenant: Tenant, served: Hub) -> None:
    served.break_after = 400_000
    assert "cannot fetch" in tenant.refused("fetch", "acme", url=served.url)
    assert not (tenant.models / MODEL).exists()
    served.break_after = None
    assert tenant.fetched(url=served.url)["changed"] is True


def test_a_file_that_arrives_damaged_is_not_installed(tenant: Tenant, served: Hub) -> None:
    served.wrong.add("model.safetensors")
    assert "model.safetensors" in tenant.refused("fetch", "acme", url=served.url)
    assert not (tenant.models / MODEL).exists()
    served.wrong.clear()
    assert tenant.fetched(url=served.url)["changed"] is True


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [(404, "RepoNotFound", "the hub has no such model"), (403, "GatedRepo", "HF_TOKEN"), (500, "", "cannot fetch")],
)
def test_the_hubs_refusals_are_told(tenant: Tenant, served: Hub, status: int, code: str, words: str) -> None:
    served.refuse = (status, code)
    assert words in tenant.refused("fetch", "acme", url=served.url)


def test_no_network_names_the_ways_out(tenant: Tenant) -> None:
    said = tenant.refused("fetch", "acme")
    assert "unavailable: cannot fetch Qwen/Qwen3-Embedding-tiny from http://127.0.0.1:9" in said
    assert "--from" in said


def test_pickled_weights_are_not_fetched(tenant: Tenant, served: Hub) -> None:
    (served.folder / "model.safetensors").rename(served.folder / "pytorch_model.bin")
    assert "no weights in the safetensors format" in tenant.refused("fetch", "acme", url=served.url)
    tenant.write(trust_remote_code=True)
    assert tenant.fetched(url=served.url)["files"] == 4


def test_a_repository_without_a_model_is_refused(tenant: Tenant, served: Hub) -> None:
    (served.folder / "config.json").unlink()
    (served.folder / "modules.json").unlink()
    assert "this is no model" in tenant.refused("fetch", "acme", url=served.url)


def test_the_disk_limit_holds(tenant: Tenant, served: Hub) -> None:
    tenant.write(limits={"disk_mb": 1})
    assert "disk-full" in tenant.refused("fetch", "acme", url=served.url)


# --- from a folder ------------------------------------------------------------------------------------


def test_a_folder_is_copied_links_and_all(tenant: Tenant, folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    for name in ("config.json", "model.safetensors"):
        (cache / name).symlink_to(folder / name)
    assert tenant.fetched("--from", cache)["files"] == 2
    copied = tenant.models / MODEL / "model.safetensors"
    assert not copied.is_symlink()
    assert copied.read_bytes() == FILES["model.safetensors"]


def test_a_fetched_folder_keeps_its_commit_and_is_checked(tenant: Tenant, served: Hub, tmp_path: Path) -> None:
    other = Tenant(tmp_path / "other")
    other.fetched(url=served.url)
    assert tenant.fetched("--from", other.models / MODEL)["commit"] == COMMIT
    weights = other.models / MODEL / "model.safetensors"
    weights.write_bytes(bytes(weights.stat().st_size))
    (tenant.models / MODEL / manifest.MANIFEST).unlink()
    assert "arrived damaged" in tenant.refused("fetch", "acme", "--from", other.models / MODEL)


def test_a_new_fetch_replaces_the_old(tenant: Tenant, folder: Path) -> None:
    tenant.fetched("--from", folder)
    (folder / "config.json").write_bytes(b'{"model_type": "bert"}')
    (folder / "vocab.txt").write_bytes(b"a\n")
    (folder / "modules.json").unlink()
    assert tenant.fetched("--from", folder)["files"] == 4
    home = tenant.models / MODEL
    assert (home / "config.json").read_bytes() == b'{"model_type": "bert"}'
    assert not (home / "modules.json").exists()


def test_two_fetches_at_once_are_not_possible(tenant: Tenant, folder: Path) -> None:
    from daemon.core.files import locks

    tenant.models.mkdir(parents=True)
    held = locks.take(tenant.models / ".fetch.lock")
    assert isinstance(held, int)
    assert "another fetch for this tenant runs" in tenant.refused("fetch", "acme", "--from", folder)
    locks.release(held, tenant.models / ".fetch.lock")
    tenant.fetched("--from", folder)


# --- what has nothing to fetch ------------------------------------------------------------------------


def test_other_tenants_are_told_why(tenant: Tenant, tmp_path: Path) -> None:
    assert "unknown-tenant" in tenant.refused("fetch", "globex")
    tenant.write(model=str(tmp_path))
    assert "a folder, which is used where it is" in tenant.refused("fetch", "acme")
    (tenant.paths.tenants_d / "acme.yaml").write_text("encoder: {backend: use-multilingual}\n")
    assert "comes with its model" in tenant.refused("fetch", "acme")
    (tenant.paths.tenants_d / "acme.yaml").write_text("encoder: 5\n")
    assert "invalid-config" in tenant.refused("verify", "acme")


# --- verify -------------------------------------------------------------------------------------------


def test_verify_names_each_file_that_is_not_as_fetched(tenant: Tenant, folder: Path) -> None:
    tenant.fetched("--from", folder)
    done = tenant.vecward("verify", "acme", "--files-only")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "good")
    home = tenant.models / MODEL
    (home / "model.safetensors").write_bytes(bytes(256 * 4096))
    (home / "config.json").write_bytes(b"{}")
    (home / "modules.json").unlink()
    (home / "extra.json").write_bytes(b"{}")
    done = tenant.vecward("verify", "acme", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["problems"] == [
        "extra.json is not in the manifest",
        "config.json has 2 bytes instead of 23",
        "model.safetensors has another content than was fetched",
        "modules.json is missing",
    ]


def test_verify_without_a_model_names_the_command(tenant: Tenant) -> None:
    assert "`vecward model fetch acme`" in tenant.refused("verify", "acme")


def test_verify_encodes_a_text(tenant: Tenant, qwen3: Path) -> None:
    tenant.fetched("--from", qwen3)
    done = tenant.vecward("verify", "acme", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["problems"], found["manifest"], found["dimension"]) == ([], True, 64)
    assert "bfloat16" in found["fingerprint"]


def test_verify_tells_what_does_not_load(tenant: Tenant, folder: Path) -> None:
    needs_torch()
    tenant.fetched("--from", folder)
    done = tenant.vecward("verify", "acme")
    assert done.returncode == 1
    assert "problem: cannot load the model Qwen/Qwen3-Embedding-tiny" in done.stdout
