"""Tests that this machine's kernel can't run, run in a guest: see tests/guest."""

from __future__ import annotations

import os

import pytest

from tests import guest


@pytest.mark.skipif(guest.IN_GUEST in os.environ, reason="this is the guest")
@pytest.mark.timeout(400)
@pytest.mark.parametrize("file", ["test_quotas.py", "test_cgroups.py"])
def test_all_of_it_holds_in_a_guest(file: str) -> None:
    if (why := guest.missing()) is not None:
        pytest.skip(why)
    ended = guest.pytest_in_guest("-q", "--color=no", f"tests/isolation/{file}")
    assert ended.code == 0, ended.output[-20_000:]
    assert "skipped" not in ended.output
