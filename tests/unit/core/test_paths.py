"""The paths of an installation."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.core.errors import InvalidConfig
from daemon.core.paths import Paths, check_socket_length


def test_a_long_socket_path_is_refused_with_the_way_out() -> None:
    with pytest.raises(InvalidConfig, match="choose a shorter --root"):
        check_socket_length(Paths.under(Path("/") / ("x" * 100)).daemon_socket)
