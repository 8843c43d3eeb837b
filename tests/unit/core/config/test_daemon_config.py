"""The daemon's own file."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.core.config.daemon_config import DaemonConfig, load_config
from daemon.core.errors import InvalidConfig


def test_an_empty_daemon_yaml_works(tmp_path: Path) -> None:
    path = tmp_path / "daemon.yaml"
    path.write_text("")
    assert load_config(path) == DaemonConfig()
    assert load_config(tmp_path / "missing.yaml") == DaemonConfig()


def test_a_broken_daemon_yaml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "daemon.yaml"
    path.write_text("isolation: none\n")
    with pytest.raises(InvalidConfig, match="line 1: isolation"):
        load_config(path)


@pytest.mark.parametrize(
    "uids", ["[1, 2]", "[20000, 20000]", "[20000]", "[20000, 70000]", "[1000, 65534]", "[1000, 3000000000]", "20000"]
)
def test_a_range_of_uids_that_would_be_others_is_refused(tmp_path: Path, uids: str) -> None:
    path = tmp_path / "daemon.yaml"
    path.write_text(f"isolation: strict\nuid_range: {uids}\n")
    with pytest.raises(InvalidConfig) as caught:
        load_config(path)
    assert (caught.value.details["line"], caught.value.details["field"]) == (2, "uid_range")
