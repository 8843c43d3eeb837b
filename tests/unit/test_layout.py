"""The shape of the repository: folders that one can take in, no circles, little formatted by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

import daemon
from tests.support.repository import circles
from tests.support.repository.pages import CHECKOUT, ROOMS, files, folders, things

MOST_THINGS = 14
MOST_BY_HAND = 20
_ONE_FILE_A_NOUN = CHECKOUT / "daemon" / "cli"


def test_the_daemon_that_is_imported_is_ours():
    """PyPI's python-daemon has the same import name (daemon/README.md, "Layout")."""
    assert Path(daemon.__file__).resolve() == CHECKOUT / "daemon" / "__init__.py"


@pytest.mark.parametrize("room", ROOMS)
def test_a_folder_shows_few_things(room: str):
    full = {
        str(folder.relative_to(CHECKOUT)): len(things(folder))
        for folder in folders(CHECKOUT / room)
        if folder != _ONE_FILE_A_NOUN and len(things(folder)) > MOST_THINGS
    }
    assert full == {}


def test_no_circle_of_imports():
    assert circles.lines() == []


@pytest.mark.parametrize(
    ("imported", "found"),
    [
        ({"a": {"b"}, "b": set()}, {}),
        ({"a": {"b"}, "b": {"a"}, "c": {"a"}}, {"a": {"b"}, "b": {"a"}}),
        ({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set()}, {"a": {"b"}, "b": {"c"}, "c": {"a"}}),
    ],
)
def test_a_circle_is_found(imported: dict[str, set[str]], found: dict[str, set[str]]):
    assert circles.on_circles(imported) == found


def test_the_circles_of_the_product_are_looked_for_in_all_of_it():
    imported = circles.imports()
    assert "daemon.core.paths" in imported["daemon.supervisor.launcher"]
    assert "daemon.client" in {name.rpartition(".")[0] for name in imported}
    assert any(name.startswith("console.") for name in imported)


def test_little_is_formatted_by_hand():
    """A line that is too long is shortened; `fmt: skip` stands where a table would lose its columns."""
    mark = "# fmt: " + "skip"
    skipped = [
        f"{path.relative_to(CHECKOUT)}:{number}"
        for path in files()
        if path.suffix == ".py"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if mark in line
    ]
    assert len(skipped) < MOST_BY_HAND, skipped
