"""A GPU that two tenants' files name, in a running daemon: the tenant that has it goes on, the other is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from daemon.core.errors import InvalidConfig
from tests.conftest import StartDaemon
from tests.stubs.nvml import StubNvml
from tests.support.daemons import RunningDaemon, fake_tenant, wait_for

GIVEN_TO_GLOBEX = "encoder.device: cuda:0 is given to tenant globex already"


def on_gpu(device: str = "cuda:0", **changes: Any) -> dict[str, Any]:
    return fake_tenant(encoder={"backend": "fake", "device": device}, **changes)


@pytest.fixture
def globex_has_it(stub: StubNvml, start_daemon: StartDaemon) -> RunningDaemon:
    """globex on the first of two GPUs, acme on the CPU."""
    return start_daemon({"acme": fake_tenant(), "globex": on_gpu()}).ready("acme", "globex")


def test_a_new_file_is_refused_and_comes_up_when_the_gpu_is_free(globex_has_it: RunningDaemon) -> None:
    daemon = globex_has_it
    daemon.write_tenant("aardvark", on_gpu())
    failed = wait_for(lambda: "aardvark" in names(daemon) and daemon.tenant("aardvark"), what="the new tenant")
    assert GIVEN_TO_GLOBEX in str(wait_failed(daemon, failed.name).reason)
    assert daemon.tenant("globex").state == "ready"
    daemon.write_tenant("globex", on_gpu("cuda:1"))
    wait_for(lambda: daemon.tenant("aardvark").state == "ready", what="aardvark on the freed GPU")
    daemon.ready("globex")


def test_a_changed_file_is_refused_and_its_tenant_goes_on(globex_has_it: RunningDaemon) -> None:
    daemon = globex_has_it
    before = [daemon.tenant(name).pid for name in ("acme", "globex")]
    daemon.write_tenant("acme", on_gpu())
    wait_for(lambda: GIVEN_TO_GLOBEX in daemon.warnings("acme"), what="the warning")
    assert [daemon.tenant(name).pid for name in ("acme", "globex")] == before
    daemon.stop()
    daemon.start().ready("globex")  # it had the GPU, though acme comes first by name
    assert GIVEN_TO_GLOBEX in str(wait_failed(daemon, "acme").reason)


def test_the_api_refuses_it_and_writes_nothing(globex_has_it: RunningDaemon) -> None:
    daemon = globex_has_it
    before = (daemon.paths.tenants_d / "acme.yaml").read_bytes()
    raw = json.dumps(on_gpu()).encode()
    with daemon.client() as client:
        for ask in (client.put_tenant, client.plan_tenant):
            for name in ("acme", "new"):
                with pytest.raises(InvalidConfig, match=GIVEN_TO_GLOBEX):
                    ask(name, raw)
    assert (daemon.paths.tenants_d / "acme.yaml").read_bytes() == before
    assert names(daemon) == ["acme", "globex"]


def test_both_files_may_allow_it(stub: StubNvml, start_daemon: StartDaemon) -> None:
    shared = on_gpu(limits={"gpu_sharing": "allowed"})
    daemon = start_daemon({"acme": shared, "globex": shared}).ready("acme", "globex")
    with daemon.client() as client:
        assert client.gpus().gpus[0].tenants == ["acme", "globex"]


def names(daemon: RunningDaemon) -> list[str]:
    with daemon.client() as client:
        return [tenant.name for tenant in client.tenants().tenants]


def wait_failed(daemon: RunningDaemon, name: str) -> Any:
    return daemon.wait_state(name, "failed")
