from __future__ import annotations

from pathlib import Path

import pytest

from tests.stubs.nvml import STATE_VARIABLE, StubNvml, build


@pytest.fixture(scope="session")
def _nvml_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def stub(_nvml_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StubNvml:
    """The GPUs that this test's daemons find."""
    monkeypatch.setenv("LD_LIBRARY_PATH", str(_nvml_library.parent))
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "state"))
    return StubNvml(tmp_path / "state")
