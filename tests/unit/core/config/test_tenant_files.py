"""Two tenants' files that name one GPU: the same one is refused each time, and its error names the other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from daemon.core.config.tenant_file import TenantFile, parse_tenant
from daemon.core.config.tenant_files import TenantFolder, check_beside, check_files, load_tenants, settle
from daemon.core.errors import InvalidConfig
from daemon.supervisor.records.state_db import StateDb

UUID = "cuda:GPU-11111111-2222-3333-4444-555555555555"


def on(device: str, *, sharing: str = "refused", **changes: Any) -> str:
    lines = [f"title: {json.dumps(changes)}" if changes else "", "encoder:", "  backend: fake", f"  device: {device}"]
    return "\n".join([*lines, f"limits: {{gpu_sharing: {sharing}}}"])


def written(folder: Path, **files: str) -> dict[str, TenantFile]:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return load_tenants(folder)


def refused(files: dict[str, TenantFile]) -> dict[str, InvalidConfig]:
    return {name: file.error for name, file in files.items() if file.error is not None}


def test_the_second_file_that_names_a_gpu_is_refused_and_the_first_is_named(tmp_path: Path) -> None:
    files = written(tmp_path, globex=on("cuda:0"), acme=on("cuda:0"), initech=on("cuda:1"))
    error = refused(files).pop("globex")
    assert refused(files).keys() == {"globex"}
    assert files["globex"].config is None
    assert error.message == (
        f"cannot use {tmp_path}/globex.yaml, line 4: encoder.device: cuda:0 is given to tenant acme already "
        f"({tmp_path}/acme.yaml, line 4); allowed: a GPU that no other tenant's file names, auto, or "
        "limits.gpu_sharing: allowed in both files"
    )
    assert (error.details["file"], error.details["line"]) == (f"{tmp_path}/globex.yaml", 4)
    assert (error.details["field"], error.details["value"]) == ("encoder.device", "cuda:0")


@pytest.mark.parametrize(("ours", "theirs", "good"), [("allowed", "allowed", True), ("allowed", "refused", False)])
def test_a_gpu_is_shared_only_if_both_files_say_so(tmp_path: Path, ours: str, theirs: str, good: bool) -> None:
    files = written(tmp_path, acme=on("cuda:0", sharing=ours), globex=on("cuda:0", sharing=theirs))
    assert (not refused(files)) is good


def test_one_that_may_be_shared_is_so_beside_one_that_was_refused(tmp_path: Path) -> None:
    files = written(
        tmp_path, acme=on("cuda:0", sharing="allowed"), bolt=on("cuda:0"), globex=on("cuda:0", sharing="allowed")
    )
    assert refused(files).keys() == {"bolt"}


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_what_names_no_gpu_is_no_double(tmp_path: Path, device: str) -> None:
    assert not refused(written(tmp_path, acme=on(device), globex=on(device)))


def test_the_same_uuid_is_a_double(tmp_path: Path) -> None:
    assert refused(written(tmp_path, acme=on(UUID), globex=on(UUID))).keys() == {"globex"}


# --- who keeps it ---------------------------------------------------------------------------------------------


def parsed(name: str, text: str) -> TenantFile:
    return parse_tenant(text.encode(), Path(f"{name}.yaml"))


def test_the_tenant_that_has_it_keeps_it_whatever_its_name() -> None:
    files = {name: parsed(name, on("cuda:0")) for name in ("acme", "globex")}
    settled = settle(files, {}, {"globex": "cuda:0"}.get)
    assert list(settled) == ["acme", "globex"]
    assert refused(settled).keys() == {"acme"}


def test_a_tenant_that_stays_on_its_old_configuration_stays_on_its_gpu() -> None:
    """The new file of acme is bad; bolt's names what globex has, so bolt stays, and initech can't have bolt's."""
    before = {"acme": "cuda:0", "bolt": "cuda:1", "globex": "cuda:2"}
    in_force = {name: parsed(name, on(device)) for name, device in before.items()}
    bad = TenantFile("acme", Path("acme.yaml"), error=InvalidConfig("cannot use it"))
    wanted = {"bolt": "cuda:2", "globex": "cuda:2", "hooli": "cuda:0", "initech": "cuda:1"}
    settled = settle(
        {"acme": bad, **{name: parsed(name, on(device)) for name, device in wanted.items()}}, in_force, before.get
    )
    assert refused(settled).keys() == {"acme", "bolt", "hooli", "initech"}
    assert "tenant bolt already" in refused(settled)["initech"].message


def test_two_tenants_may_change_places() -> None:
    before = {"acme": "cuda:0", "globex": "cuda:1"}
    in_force = {name: parsed(name, on(device)) for name, device in before.items()}
    files = {"acme": parsed("acme", on("cuda:1")), "globex": parsed("globex", on("cuda:0"))}
    assert not refused(settle(files, in_force, before.get))


def test_a_tenant_may_change_its_own_file() -> None:
    check_beside(parsed("acme", on("cuda:0", zh="新")), [parsed("acme", on("cuda:0")), parsed("globex", on("cuda:1"))])
    with pytest.raises(InvalidConfig, match=r"given to tenant globex already \(globex.yaml, line 4\)"):
        check_beside(parsed("acme", on("cuda:1")), [parsed("globex", on("cuda:1"))])


def test_the_daemon_remembers_who_had_it(tmp_path: Path) -> None:
    db = StateDb(tmp_path / "state.db")
    assert db.gpu("acme") is None
    db.set_gpu("acme", "cuda:0")
    db.set_gpu("globex", None)
    db.close()
    db = StateDb(tmp_path / "state.db")
    assert (db.gpu("acme"), db.gpu("globex")) == ("cuda:0", None)
    db.close()


# --- before it is there ---------------------------------------------------------------------------------------


def test_a_file_is_checked_beside_its_neighbours(tmp_path: Path) -> None:
    """The ones that are not named lie there already, so the named one is the bad one."""
    written(tmp_path, acme=on("cuda:0"), globex=on("cuda:0"))
    acme, globex = tmp_path / "acme.yaml", tmp_path / "globex.yaml"
    assert refused({file.name: file for file in check_files([acme])}).keys() == {"acme"}
    assert refused({file.name: file for file in check_files([acme, globex])}).keys() == {"globex"}
    globex.unlink()
    assert not refused({file.name: file for file in check_files([acme])})


# --- reading again what changed -------------------------------------------------------------------


def test_a_folder_is_read_again_where_it_changed(tmp_path: Path) -> None:
    written(tmp_path, acme=on("cpu"), bolt=on("cpu"), gone=on("cpu"))
    folder = TenantFolder(tmp_path)
    first = folder.read()
    assert not folder.changed()
    written(tmp_path, acme=on("cpu", en="Another title"), new=on("cpu"))
    (tmp_path / "gone.yaml").unlink()
    assert folder.changed()
    second = folder.read()
    assert second.keys() == {"acme", "bolt", "new"}
    assert second["bolt"] is first["bolt"]
    assert second["acme"].config != first["acme"].config
    assert not folder.changed()
    assert folder.read(everything=True)["bolt"] is not first["bolt"]


def test_a_refused_file_is_read_again_with_the_others(tmp_path: Path) -> None:
    """Files are read again for a seed that may have come since."""
    written(tmp_path, acme="encoder: {backend: fake}\nknowledge: {seed: acme.txt}\n")
    folder = TenantFolder(tmp_path)
    assert folder.read()["acme"].error is not None
    (tmp_path / "acme.txt").write_text("an entry of the seed\n")
    written(tmp_path, other=on("cpu"))
    assert folder.read()["acme"].error is None


def test_no_folder_is_an_empty_one(tmp_path: Path) -> None:
    folder = TenantFolder(tmp_path / "nothing")
    assert (folder.read(), folder.changed()) == ({}, False)


# --- another tenant's seed --------------------------------------------------------------------------------------


def seeded(seed: str) -> str:
    return f"encoder: {{backend: fake}}\nknowledge:\n  seed: {seed}\n"


@pytest.mark.parametrize("seed", ["acme.entries.txt", "acme.yaml", "acme"])
def test_a_seed_that_is_another_tenants_is_refused(tmp_path: Path, seed: str) -> None:
    """A copied file, say, whose seed was forgotten: it would hand one customer's texts to the next."""
    (tmp_path / seed).write_text("a text of acme's alone")
    files = written(tmp_path, globex=seeded(seed), acme=on("cpu"))
    error = refused(files)["globex"]
    assert (error.details["line"], error.details["field"]) == (3, "knowledge.seed")
    assert "belongs to tenant acme; allowed: a file whose name begins with globex." in error.message
    assert "acme" not in refused(files)


def test_a_seed_of_its_own_or_of_nobody_is_good(tmp_path: Path) -> None:
    for seed in ("globex.txt", "faq.txt", "acme-old.txt"):
        (tmp_path / seed).write_text("a text for whoever names it")
        assert not refused(written(tmp_path, globex=seeded(seed), acme=on("cpu")))
