"""Pages and docstrings: each folder says what it is for, and what is named exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.repository import prose
from tests.support.repository.pages import CHECKOUT, CONTRACT, ROOMS, files, folders, quoted, things

FEW_FILES = 5
LINES = range(10, 41)
_LONGER = {CONTRACT, CHECKOUT / "tests" / "benchmarks" / "README.md"}  # the contract, and tables of figures
_PATH = re.compile(r"[\w.*{},/-]+(\.(py|md|yaml|css|js|html|sh|c|toml|svg|txt)|/)")
_INSTALLED = {"daemon.yaml", "users.yaml", "acme.yaml"}  # files of an installation, and of examples
FOLDERS = [folder for room in ROOMS for folder in folders(CHECKOUT / room)]
PAGES = [folder / "README.md" for folder in FOLDERS if (folder / "README.md").exists()]
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.parent.relative_to(CHECKOUT)))


def test_folders_of_many_files_have_a_page():
    many = [folder for folder in FOLDERS if sum((folder / name).is_file() for name in things(folder)) > FEW_FILES]
    assert [str(folder.relative_to(CHECKOUT)) for folder in many if folder / "README.md" not in PAGES] == []


@every_page
def test_a_page_is_short(page: Path):
    assert page in _LONGER or len(page.read_text().splitlines()) in LINES


@every_page
def test_named_files_exist(page: Path):
    assert _missing(page) == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_files_exist_that_pages_at_the_top_name(name: str):
    assert _missing(CHECKOUT / name) == []


def _missing(page: Path) -> list[str]:
    named = {name for name in quoted(page.read_text()) if _PATH.fullmatch(name) and not name.startswith(("/", "."))}
    if page == CONTRACT:  # it also names files of an installation
        named = {name for name in named if name.endswith(".py")}
    return sorted(name for name in named - _INSTALLED if not _exists(name, page.parent))


def _exists(name: str, folder: Path) -> bool:
    return any(any(base.glob(name.rstrip("/"))) for base in (folder, CHECKOUT, CONTRACT.parent))


def test_a_missing_file_is_found(tmp_path: Path):
    page = tmp_path / "README.md"
    page.write_text("`here.py` and `gone.py`, `daemon/core/paths.py` and `daemon/core/gone.py`, `down/`, `acme.yaml`")
    (tmp_path / "here.py").touch()
    assert _missing(page) == ["daemon/core/gone.py", "down/", "gone.py"]


@every_page
def test_a_page_names_every_thing_of_its_folder(page: Path):
    """Test files say by their names what they test."""
    text = page.read_text()
    lacking = [
        name
        for name in things(page.parent)
        if name not in ("README.md", "__init__.py") and not name.startswith("test_") and f"`{name}" not in text
    ]
    assert page == CONTRACT or lacking == []


def test_prose():
    assert list(prose.complaints(prose.sources(list(prose.FOLDERS)))) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("Restart the encoder after a crash.", None),
        ("Delays before the next start.\n\nThey double.", None),
        ("What is told.", "begins with 'What'"),
        ("told as it grows.", "begins with 'told'"),
        ("`max_tokens`: the model reads so many.", "begins with a field's name"),
        ("`files` hold what is metered.", "begins with a field's name"),
        ("`state.db`: the daemon's memory.", None),
        ("A sentence that does not\nend on its line.", "its first line does not end with a full stop"),
        ("A sentence.\nAnother one.", "no blank line after its first"),
    ],
)
def test_what_the_check_of_prose_finds(text: str, complaint: str | None):
    found = prose.complaint(text)
    assert found == complaint or (found is not None and complaint is not None and found.startswith(complaint))


def test_no_page_outside_the_repository_is_cited():
    own = CHECKOUT / "tests" / "support" / "repository" / "prose.py"
    assert [str(path) for path in files() if path != own and prose.OUTSIDE.search(path.read_text())] == []
