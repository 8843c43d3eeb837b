"""A ready tenant whose file changes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from daemon.core.config.tenant_config import TenantConfig
from daemon.core.config.tenant_file import TenantFile
from daemon.core.encoder_protocol.reembed import Loaded
from daemon.supervisor.jobs.reembed import ReEmbedding
from daemon.supervisor.tenants.shown.warnings import WarningKey
from daemon.supervisor.tenants.tenant import Tenant
from tests.unit.supervisor.conftest import WithJobs

LOADED = Loaded(fingerprint="g", dimension=3, device="cpu", entries=4, missing=4, derivable=0, memory_mb=64)


def config(dimension: int = 32, **sections: Any) -> TenantConfig:
    encoder = {"backend": "fake", "fake": {"dimension": dimension}}
    return TenantConfig.model_validate({"encoder": encoder, **sections})


class Changed(WithJobs):
    """A ready tenant whose file changes; `switched` lists the files that were put in force."""

    def __init__(self, folder: Path, **sections: Any) -> None:
        super().__init__(folder, **sections)
        self.switched: list[TenantFile] = []
        self.reembedding = ReEmbedding(self.operations, self.jobs, self._switch)

    def _switch(self, tenant: Tenant, file: TenantFile) -> None:
        self.switched.append(file)
        tenant.put_in_force(file)

    def file(self, config: TenantConfig | None) -> TenantFile:
        return TenantFile("acme", self.tenant.file.path, config)

    def take_over(self, script: str, config_: TenantConfig | None = None) -> tuple[TenantFile, str]:
        """Begin to make vectors for a changed file; return it and the operation."""
        self.jobs.script = script
        file = self.file(config_ or config())
        assert self.reembedding.take_over(self.tenant, file)
        return file, self.warning().partition("operation ")[2]

    def warning(self) -> str:
        return self.tenant.warnings.get(WarningKey.RE_EMBEDDING) or ""


@pytest.fixture
async def changed(tmp_path: Path) -> AsyncIterator[Changed]:
    made = Changed(tmp_path)
    await made.become_ready()
    yield made
    await made.close()
