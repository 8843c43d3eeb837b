"""The check of tenants' files, which needs no daemon."""

from __future__ import annotations

from pathlib import Path

from tests.support.cli import Vecward

PASSWORD = b"correct horse\n"


def test_check_names_file_line_field_and_what_is_allowed(vecward: Vecward, tmp_path: Path) -> None:
    good, bad, worse = tmp_path / "good.yaml", tmp_path / "bad.yaml", tmp_path / "Worse.yaml"
    good.write_text("encoder: {backend: fake}\n")
    bad.write_text("encoder:\n  backend: fake\nlimits:\n  cpu: 2\n")
    worse.write_text("")
    ended = vecward("tenant", "check", good, bad, worse, tmp_path / "none.yaml")
    first, second, third, fourth = ended.out.splitlines()
    assert (ended.code, first) == (1, f"{good}: good")
    assert second.startswith(f"{bad}:4: limits.cpu: is not a known field (did you mean cpus?); allowed: ")
    assert third.startswith(f"{worse}:1: file name: can't name a tenant")
    assert "cannot be read" in fourth

    found = vecward("tenant", "check", good, bad, "--json")
    assert found.code == 1
    assert [one["ok"] for one in found.json["files"]] == [True, False]
    assert (found.json["files"][1]["line"], found.json["files"][1]["field"]) == (4, "limits.cpu")


def test_check_of_good_files_alone(vecward: Vecward, tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("encoder: {backend: fake}\n")
    assert vecward("tenant", "check", tmp_path / "good.yaml").code == 0
