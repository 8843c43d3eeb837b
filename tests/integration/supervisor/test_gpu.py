"""GPUs from the tenant's file to the running encoder, with real daemons and the stub NVML library."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import psutil
import pytest

from daemon.core.wire import Event, Gpu
from tests.conftest import StartDaemon
from tests.stubs.nvml import GPU_IS_LOST, LIBRARY_NOT_FOUND, StubNvml
from tests.support.daemons import RunningDaemon, fake_tenant, wait_for


def on_gpu(device: str = "cuda:0", **changes: Any) -> dict[str, Any]:
    return fake_tenant(encoder={"backend": "fake", "device": device}, **changes)


def listed(daemon: RunningDaemon) -> list[Gpu]:
    with daemon.client() as client:
        return client.gpus().gpus


def events(daemon: RunningDaemon, name: str) -> list[Event]:
    with daemon.client() as client:
        return [event for event in client.events(after=0, limit=1000).events if event.name == name]


def act(daemon: RunningDaemon, verb: str, tenant: str) -> None:
    with daemon.client() as client:
        getattr(client, verb)(tenant)


def pid_of(daemon: RunningDaemon, tenant: str = "acme") -> int:
    pid = daemon.tenant(tenant).pid
    assert pid is not None
    return pid


def test_the_gpu_of_the_file_reaches_the_encoder_and_the_status(stub: StubNvml, start_daemon: StartDaemon):
    daemon = start_daemon({"acme": on_gpu("cuda:1")}).ready("acme")
    view = daemon.tenant("acme")
    assert view.device == stub.gpus[1].words
    environment = psutil.Process(pid_of(daemon)).environ()
    assert environment["CUDA_VISIBLE_DEVICES"] == stub.gpus[1].uuid
    assert environment["PYTORCH_CUDA_ALLOC_CONF"] == "max_split_size_mb:512"
    stub.change(1, processes={view.pid: 700})
    assert [gpu.tenants for gpu in listed(daemon)] == [[], ["acme"]]
    assert [(process.pid, process.tenant) for process in listed(daemon)[1].processes] == [(view.pid, "acme")]
    assert [event.data["device"] for event in events(daemon, "gpu")] == [stub.gpus[1].words]
    lock = daemon.paths.run / "gpu" / f"{stub.gpus[1].uuid}.lock"
    assert lock.exists()
    daemon.stop()
    assert not lock.exists()


def test_two_tenants_never_share_by_accident(stub: StubNvml, start_daemon: StartDaemon):
    """Two files name one GPU in two ways, so that only the driver tells that it is one."""
    daemon = start_daemon({"acme": on_gpu()}).ready("acme")
    with daemon.client() as client:
        client.put_tenant("globex", json.dumps(on_gpu(f"cuda:{stub.gpus[0].uuid}")).encode())
    assert "tenant acme holds it" in str(daemon.wait_state("globex", "failed").reason)
    act(daemon, "park", "acme")
    daemon.wait_state("acme", "parked")
    with daemon.client() as client:
        refused = client.wait("globex", client.start("globex").id)  # parked keeps its GPU
    assert "tenant acme holds it" in str(refused.error)
    act(daemon, "stop", "acme")
    daemon.wait_state("acme", "stopped")
    act(daemon, "start", "globex")
    wait_for(lambda: daemon.tenant("globex").state == "ready", what="globex on the freed GPU")
    assert listed(daemon)[0].tenants == ["globex"]


def test_a_foreign_process_refuses_the_start_and_is_warned_of_later(stub: StubNvml, start_daemon: StartDaemon):
    stub.change(0, processes={os.getpid(): 3000})
    daemon = start_daemon({"acme": on_gpu(), "globex": fake_tenant()}, health={"every_s": 0.2}).ready("globex")
    reason = str(daemon.wait_state("acme", "failed").reason)
    assert f"process {os.getpid()} " in reason
    assert "uses 3000 MB" in reason
    stub.change(0, processes={})
    act(daemon, "start", "acme")
    wait_for(lambda: daemon.tenant("acme").state == "ready", what="acme on the free GPU")
    stub.change(0, processes={os.getpid(): 3000})
    wait_for(lambda: f"process {os.getpid()} " in daemon.warnings("acme"), what="the warning")
    stub.change(0, processes={})
    wait_for(lambda: not daemon.tenant("acme").warnings, what="the warning's end")


def test_a_killed_encoders_gpu_is_waited_for(stub: StubNvml, start_daemon: StartDaemon):
    daemon = start_daemon({"acme": on_gpu()}).ready("acme")
    pid = pid_of(daemon)
    stub.change(0, processes={pid: 900})
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: daemon.tenant("acme").state == "starting", what="the wait for the GPU")
    stub.change(0, processes={})
    daemon.ready("acme")
    assert pid_of(daemon) != pid


@pytest.mark.timeout(90)
def test_a_gpu_that_is_never_released_is_a_failure_that_says_so(stub: StubNvml, start_daemon: StartDaemon):
    daemon = start_daemon({"acme": on_gpu()}).ready("acme")
    pid = pid_of(daemon)
    stub.change(0, processes={pid: 900})
    os.kill(pid, signal.SIGKILL)
    view = daemon.wait_state("acme", "failed", deadline_s=40)
    assert f"the GPU does not release pid {pid} within 20 s" in str(view.reason)


def test_a_killed_daemon_leaves_no_gpu_locked(stub: StubNvml, start_daemon: StartDaemon):
    daemon = start_daemon({"acme": on_gpu()}, gpu={"exclusive_process": True}).ready("acme")
    assert stub.modes(0) == [3]
    daemon.kill()
    daemon.start().ready("acme")
    assert daemon.stop() == 0
    assert stub.modes(0)[-1] == 0


def test_gpu_memory_over_the_limit(stub: StubNvml, start_daemon: StartDaemon):
    daemon = start_daemon({"acme": on_gpu(limits={"gpu_memory_mb": 1000})}, health={"every_s": 0.2}).ready("acme")
    pid = pid_of(daemon)
    stub.change(0, processes={pid: 900})
    wait_for(lambda: daemon.tenant("acme").gpu_memory_mb == 900, what="the figure in the status")
    assert daemon.tenant("acme").warnings == {}
    stub.change(0, processes={pid: 5000})
    words = "GPU memory: 5000 MB, over the limit of 1000 MB (limits.gpu_memory_mb)"
    wait_for(lambda: daemon.tenant("acme").warnings == {"gpu_memory_mb": words}, what="the warning")
    stub.change(0, processes={pid: 900})
    wait_for(lambda: not daemon.tenant("acme").warnings, what="the warning's end")
    assert [event.data["limit"] for event in events(daemon, "limit-crossed")] == ["gpu_memory_mb"]
    assert [event.data["limit"] for event in events(daemon, "limit-cleared")] == ["gpu_memory_mb"]
    assert pid_of(daemon) == pid


def test_a_gpu_lost_under_a_running_tenant_is_told(stub: StubNvml, start_daemon: StartDaemon):
    daemon = start_daemon({"acme": on_gpu()}, health={"every_s": 0.2}).ready("acme")
    assert len(listed(daemon)) == 2
    stub.change(0, error=GPU_IS_LOST)
    wait_for(
        lambda: "the GPU is lost" in daemon.warnings("acme"),
        what="a warning",
    )
    assert "the GPU is lost" in str(listed(daemon)[0].problem)
    assert any("the GPU is lost" in str(event.data["reason"]) for event in events(daemon, "gpu"))


def test_without_a_driver_a_named_gpu_is_refused_and_others_run(stub: StubNvml, start_daemon: StartDaemon):
    stub.say(f"init {LIBRARY_NOT_FOUND}")
    daemon = start_daemon({"acme": on_gpu(), "globex": fake_tenant()}).ready("globex")
    assert "no GPU on this host" in str(daemon.wait_state("acme", "failed").reason)
    with daemon.client() as client:
        assert client.gpus().note == "no GPU on this host"
    assert daemon.tenant("globex").device == "cpu"


def test_a_hanging_driver_stops_nobody_else(stub: StubNvml, start_daemon: StartDaemon):
    stub.say("hang")
    daemon = start_daemon({"acme": on_gpu(), "globex": fake_tenant()}, health={"every_s": 0.2}).ready("globex")
    assert "has not answered" in str(daemon.wait_state("acme", "failed").reason)
    with daemon.client() as client:
        assert "has not answered" in str(client.gpus().note)
        assert client.search("globex", "apples").results == []
    assert daemon.stop() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="strict isolation needs a daemon that is root")
def test_in_a_sandbox_the_gpu_is_the_same_and_its_process_known_by_the_hosts_pid(
    stub: StubNvml, start_daemon: StartDaemon
):
    tenants = {"acme": on_gpu("cuda:1")}
    daemon = start_daemon(tenants, isolation="strict", health={"every_s": 0.2}).ready("acme")
    pid = pid_of(daemon)
    assert psutil.Process(pid).environ()["CUDA_VISIBLE_DEVICES"] == stub.gpus[1].uuid
    stub.change(1, processes={pid: 900})
    wait_for(lambda: daemon.tenant("acme").gpu_memory_mb == 900, what="the figure in the status")
    assert daemon.tenant("acme").warnings == {}  # not foreign
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: daemon.tenant("acme").state == "starting", what="the wait for the GPU")
    stub.change(1, processes={})
    daemon.ready("acme")
