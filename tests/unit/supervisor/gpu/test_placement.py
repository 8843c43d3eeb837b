"""GPUs through the real pynvml and the stub library: who gets which, and why not."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from daemon.core.errors import StartRefused
from daemon.supervisor.gpu import nvml as nvml_module
from daemon.supervisor.gpu.gpus import Gpus
from daemon.supervisor.gpu.nvml import Nvml
from daemon.supervisor.gpu.placement import Wanted, device_nodes
from tests.stubs.nvml import DRIVER_NOT_LOADED, GPU_IS_LOST, LIBRARY_NOT_FOUND, STATE_VARIABLE, StubNvml, build

MakeGpus = Callable[..., Gpus]


@pytest.fixture(scope="session")
def _library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """Load the stub by its path; pynvml's own dlopen then finds it by its soname."""
    return ctypes.CDLL(str(build(tmp_path_factory.mktemp("nvml"))))


@pytest.fixture
def stub(_library: ctypes.CDLL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StubNvml:
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "state"))
    monkeypatch.setattr(nvml_module, "CONTROL_NODE", tmp_path / "nvidiactl")
    return StubNvml(tmp_path / "state")


@pytest.fixture
def gpus(stub: StubNvml, tmp_path: Path) -> MakeGpus:
    def make(encoders: dict[int, str] | None = None, *, folder: str = "gpu", **options: object) -> Gpus:
        options = {"release_wait_s": 0.3, "nvml": Nvml(deadline_s=2.0), **options}
        return Gpus(tmp_path / folder, lambda: encoders or {}, **options)  # type: ignore[arg-type]

    return make


@contextmanager
def waiting_process(*arguments: str) -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", "input()", *arguments], stdin=subprocess.PIPE) as process:
        yield process.pid
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def bystander() -> Iterator[int]:
    """A real process that is nobody's encoder."""
    with waiting_process() as pid:
        yield pid


@pytest.fixture
def orphan(tmp_path: Path) -> Iterator[int]:
    """A real process that looks like acme's encoder, of a daemon that is no more."""
    with waiting_process("-m", "daemon.encoder", "--tenant", "acme", "--data", str(tmp_path)) as pid:
        yield pid


@pytest.fixture
def ended() -> int:
    """The pid of a process that was."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def wanted(tenant: str = "acme", device: str = "cuda:0", **options: object) -> Wanted:
    return Wanted(tenant, device, **{"can_use_gpu": True, **options})  # type: ignore[arg-type]


async def refusal(gpus: Gpus, want: Wanted) -> str:
    with pytest.raises(StartRefused) as caught:
        await gpus.place(want)
    assert caught.value.message.startswith(f"cannot start {want.tenant} on ")
    return caught.value.message


# --- what is there --------------------------------------------------------------------------------------


async def test_the_list_shows_each_gpu_its_tenant_and_what_runs_on_it(stub: StubNvml, gpus: MakeGpus):
    ours = gpus({4242: "acme"})
    await ours.place(wanted())
    stub.change(0, processes={4242: 900, 4343: -1})
    stub.change(1, temperature=-1)
    listing = await ours.listing()
    first, second = listing.gpus
    assert (first.index, first.uuid, first.name) == (0, stub.gpus[0].uuid, "Stub RTX")
    assert (first.memory_mb, first.memory_used_mb, first.temperature_c, first.utilisation_percent) == (
        24000,
        500,
        41,
        7,
    )
    assert first.tenants == ["acme"]
    found = [(process.pid, process.memory_mb, process.tenant) for process in first.processes]
    assert found == [(4242, 900, "acme"), (4343, None, None)]
    assert (second.tenants, second.temperature_c, second.problem) == ([], None, None)
    assert listing.note is None


async def test_a_host_without_a_driver_says_so_and_only_auto_means_the_cpu(stub: StubNvml, gpus: MakeGpus):
    stub.say(f"init {LIBRARY_NOT_FOUND}")
    ours = gpus()
    listing = await ours.listing()
    assert (listing.gpus, listing.note) == ([], "no GPU on this host")
    assert "no GPU on this host; set encoder.device to cpu" in await refusal(ours, wanted())
    placement = await ours.place(wanted(device="auto"))
    assert (placement.device, placement.uuid, placement.note) == ("cpu", None, "no GPU on this host")
    assert placement.environment["CUDA_VISIBLE_DEVICES"] == ""


async def test_the_absence_of_a_driver_is_remembered_for_a_while(stub: StubNvml, gpus: MakeGpus):
    ours = gpus()
    stub.say(f"init {LIBRARY_NOT_FOUND}")
    await ours.listing()
    stub.say()
    assert (await ours.listing()).note == "no GPU on this host"


@pytest.mark.parametrize("device", ["auto", "cuda:0"])
async def test_a_driver_in_trouble_is_no_reason_for_the_cpu(stub: StubNvml, gpus: MakeGpus, device: str):
    stub.say(f"init {DRIVER_NOT_LOADED}")
    assert "not loaded" in await refusal(gpus(), wanted(device=device))


async def test_device_files_without_the_library_are_no_reason_for_the_cpu(
    stub: StubNvml, gpus: MakeGpus, tmp_path: Path
):
    (tmp_path / "nvidiactl").touch()
    stub.say(f"init {LIBRARY_NOT_FOUND}")
    assert "libnvidia-ml.so.1" in await refusal(gpus(), wanted(device="auto"))


async def test_a_driver_that_hangs_is_told_and_blocks_nobody(
    stub: StubNvml, gpus: MakeGpus, monkeypatch: pytest.MonkeyPatch
):
    nvml = Nvml(deadline_s=0.2)
    ours = gpus(nvml=nvml)
    stub.say("hang")  # until it is told otherwise: on the event loop, nothing would ever follow
    asking = asyncio.create_task(ours.listing())
    turns = 0
    while not asking.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 10, "the event loop goes on meanwhile"
    assert "has not answered" in str(asking.result().note)
    assert nvml._busy_since is not None
    nvml._busy_since -= 0.1  # it took the question up a moment after it was asked
    with monkeypatch.context() as patch:
        patch.setattr(nvml, "_inbox", None)  # a thread that is known to be stuck is asked nothing
        assert "has not answered" in await refusal(ours, wanted())
    stub.say()
    async with asyncio.timeout(10):
        while (await ours.listing()).note is not None:
            pass  # each try takes its deadline, or succeeds


# --- who gets which -------------------------------------------------------------------------------------


async def test_a_gpu_by_number_and_by_uuid(stub: StubNvml, gpus: MakeGpus):
    ours = gpus()
    uuid = stub.gpus[1].uuid
    by_number = await ours.place(wanted("acme", "cuda:1"))
    assert (by_number.device, by_number.words, by_number.uuid) == (f"cuda:{uuid}", stub.gpus[1].words, uuid)
    assert by_number.environment == {"CUDA_VISIBLE_DEVICES": uuid, "PYTORCH_CUDA_ALLOC_CONF": "max_split_size_mb:512"}
    ours.release("acme")
    assert (await ours.place(wanted("globex", f"cuda:{uuid}"))).uuid == uuid


async def test_a_gpu_that_is_not_there_is_refused_with_what_is(stub: StubNvml, gpus: MakeGpus):
    message = await refusal(gpus(), wanted(device="cuda:7"))
    assert all(gpu.words in message for gpu in stub.gpus)


async def test_another_tenants_gpu_is_refused_with_the_holders_name(gpus: MakeGpus, tmp_path: Path):
    ours = gpus()
    placement = await ours.place(wanted("acme"))
    assert "tenant acme holds it" in await refusal(ours, wanted("globex"))
    said = json.loads((tmp_path / "gpu" / f"{placement.uuid}.lock").read_text())
    assert (said["tenants"], said["pid"]) == (["acme"], os.getpid())
    assert await ours.place(wanted("acme")) == placement  # a start after a crash
    ours.release("acme")
    assert list((tmp_path / "gpu").iterdir()) == []
    await ours.place(wanted("globex"))


async def test_two_starts_at_once_do_not_share(gpus: MakeGpus):
    ours = gpus()
    same = await asyncio.gather(ours.place(wanted("a")), ours.place(wanted("b")), return_exceptions=True)
    assert sorted(type(each).__name__ for each in same) == ["Placement", "StartRefused"]
    ours.release("a")
    ours.release("b")
    both = await asyncio.gather(ours.place(wanted("a", "auto")), ours.place(wanted("b", "auto")))
    assert len({placement.uuid for placement in both}) == 2


async def test_sharing_needs_both_files(gpus: MakeGpus):
    ours = gpus()
    await ours.place(wanted("acme", sharing=True))
    assert "tenant acme holds it" in await refusal(ours, wanted("globex"))
    await ours.place(wanted("initech", sharing=True))
    assert (await ours.listing()).gpus[0].tenants == ["acme", "initech"]
    ours.release("acme")
    assert "tenant initech holds it" in await refusal(ours, wanted("globex"))


async def test_two_who_share_may_see_each_others_process(stub: StubNvml, gpus: MakeGpus):
    ours = gpus({4242: "acme"})
    await ours.place(wanted("acme", sharing=True))
    stub.change(0, processes={4242: 900})
    assert (await ours.place(wanted("globex", sharing=True))).uuid == stub.gpus[0].uuid


async def test_another_daemon_holds_it(gpus: MakeGpus):
    await gpus().place(wanted("acme"))
    message = await refusal(gpus(), wanted("acme"))  # the same folder, another set of locks
    assert "another daemon" in message
    assert str(os.getpid()) in message


async def test_a_changed_device_frees_the_old_one(stub: StubNvml, gpus: MakeGpus):
    ours = gpus()
    await ours.place(wanted("acme", "cuda:0"))
    await ours.place(wanted("acme", "cuda:1"))
    await ours.place(wanted("globex", "cuda:0"))
    await ours.place(wanted("acme", "cpu"))
    assert [gpu.tenants for gpu in (await ours.listing()).gpus] == [["globex"], []]


async def test_a_gpu_whose_holder_is_sent_elsewhere_is_waited_for(stub: StubNvml, gpus: MakeGpus):
    """Two tenants change places: neither start is refused for what the other still holds."""
    ours = gpus(release_wait_s=10.0)
    await ours.place(wanted("acme", "cuda:0"))
    await ours.place(wanted("globex", f"cuda:{stub.gpus[1].uuid}"))
    moved = await asyncio.gather(
        ours.place(wanted("acme", "cuda:1", others={"globex": "cuda:0"})),
        ours.place(wanted("globex", "cuda:0", others={"acme": "cuda:1"})),
    )
    assert [each.uuid for each in moved] == [stub.gpus[1].uuid, stub.gpus[0].uuid]


async def test_a_holder_that_does_not_move_though_its_file_says_so_is_named(gpus: MakeGpus):
    ours = gpus()
    await ours.place(wanted("acme", "cuda:0"))
    assert "tenant acme holds it" in await refusal(ours, wanted("globex", "cuda:0", others={"acme": "cuda:1"}))


async def test_auto_takes_a_free_gpu_keeps_it_and_leaves_alone_what_others_name(stub: StubNvml, gpus: MakeGpus):
    ours = gpus()
    chosen = await ours.place(wanted("acme", "auto", others={"globex": "cuda:0"}))
    assert (chosen.uuid, chosen.note) == (stub.gpus[1].uuid, "the first free GPU")
    assert (await ours.place(wanted("acme", "auto"))).uuid == chosen.uuid
    message = await refusal(ours, wanted("initech", "auto", others={"globex": "cuda:0"}))
    assert "no GPU is free" in message
    assert "the file of tenant globex names it" in message
    assert "tenant acme holds it" in message


async def test_the_embedded_model_needs_no_gpu(stub: StubNvml, gpus: MakeGpus):
    stub.say("hang")  # it is not even asked for
    assert (await gpus().place(wanted(device="auto", can_use_gpu=False))).device == "cpu"


# --- what is in the way ---------------------------------------------------------------------------------


async def test_a_foreign_process_is_named_with_its_memory(stub: StubNvml, gpus: MakeGpus, bystander: int):
    stub.change(0, processes={bystander: 3000})
    ours = gpus()
    message = await refusal(ours, wanted())
    assert f"process {bystander} (python" in message
    assert "uses 3000 MB" in message
    assert (await ours.listing()).gpus[0].tenants == []  # the refused one holds nothing
    assert (await ours.place(wanted(device="auto"))).uuid == stub.gpus[1].uuid


async def test_a_process_that_does_not_go_is_told_after_the_wait(stub: StubNvml, gpus: MakeGpus):
    stub.change(0, processes={4242: 900})
    ours = gpus({4242: "acme"})
    message = await refusal(ours, wanted("acme"))
    assert "the GPU does not release pid 4242 within 0.3 s" in message


async def test_a_process_that_goes_is_waited_for(stub: StubNvml, gpus: MakeGpus, ended: int):
    stub.change(0, processes={ended: 900})  # the driver lags behind
    timer = threading.Timer(0.5, lambda: stub.change(0, processes={}))
    timer.start()
    placement = await gpus(release_wait_s=20.0).place(wanted())
    timer.join()
    assert placement.uuid == stub.gpus[0].uuid


async def test_an_orphaned_encoder_of_the_tenant_is_waited_for_another_tenants_is_foreign(
    stub: StubNvml, gpus: MakeGpus, tmp_path: Path, orphan: int
):
    stub.change(0, processes={orphan: 900})
    assert "does not release" in await refusal(gpus(), wanted("acme", data=tmp_path))
    assert f"process {orphan}" in await refusal(gpus(), wanted("globex", data=tmp_path))


async def test_a_process_of_the_tenants_uid_is_waited_for(stub: StubNvml, gpus: MakeGpus, bystander: int):
    stub.change(0, processes={bystander: 900})
    assert "does not release" in await refusal(gpus(), wanted(uid=os.getuid()))


async def test_a_lost_gpu_is_refused_and_its_neighbour_is_not(stub: StubNvml, gpus: MakeGpus):
    ours = gpus()
    await ours.listing()
    stub.change(0, error=GPU_IS_LOST)
    assert "the GPU is lost" in await refusal(ours, wanted())
    first, second = (await ours.listing()).gpus
    assert (first.uuid, first.memory_used_mb) == (stub.gpus[0].uuid, 0)  # known from before
    assert "the GPU is lost" in str(first.problem)
    assert second.problem is None
    assert (await ours.place(wanted(device="auto"))).uuid == stub.gpus[1].uuid


async def test_a_gpu_that_was_never_seen_well_is_listed_without_its_name(stub: StubNvml, gpus: MakeGpus):
    stub.change(0, error=GPU_IS_LOST)
    first = (await gpus().listing()).gpus[0]
    assert (first.uuid, first.name, first.index) == ("", "unknown", 0)


async def test_a_gpu_lost_during_the_wait_is_refused(stub: StubNvml, gpus: MakeGpus):
    stub.change(0, processes={4242: 900})
    ours = gpus({4242: "acme"}, release_wait_s=20.0)
    timer = threading.Timer(0.4, lambda: stub.change(0, error=GPU_IS_LOST))
    timer.start()
    assert "the GPU is lost" in await refusal(ours, wanted("acme"))
    timer.join()


async def test_mig_is_refused_clearly(stub: StubNvml, gpus: MakeGpus):
    stub.change(0, mig=True)
    ours = gpus()
    assert "split by MIG" in await refusal(ours, wanted())
    assert "made by MIG" in await refusal(ours, wanted(device="cuda:MIG-12345678-0000"))
    first = (await ours.listing()).gpus[0]
    assert "split by MIG" in str(first.problem)
    assert first.utilisation_percent is None
    assert (await ours.place(wanted(device="auto"))).uuid == stub.gpus[1].uuid


# --- compute mode ---------------------------------------------------------------------------------------


async def test_exclusive_mode_is_set_and_restored(stub: StubNvml, gpus: MakeGpus):
    ours = gpus(exclusive=True)
    await ours.place(wanted("acme"))
    await ours.place(wanted("acme"))
    assert stub.modes(0) == [3]
    ours.release("acme")
    await ours.place(wanted("globex"))  # waits until the mode is back
    await ours.close()
    assert stub.modes(0) == [3, 0, 3, 0]


async def test_a_killed_daemons_exclusive_mode_is_restored_by_the_next(stub: StubNvml, gpus: MakeGpus, tmp_path: Path):
    left = tmp_path / "gpu" / f"{stub.gpus[0].uuid}.lock"
    left.parent.mkdir()
    left.write_text(json.dumps({"pid": 1, "tenants": ["acme"], "mode_before": 0}))
    (tmp_path / "state.mode.0").write_text("3\n")
    ours = gpus(exclusive=True)
    await ours.open()
    assert stub.modes(0) == [3, 0]
    assert not left.exists()


async def test_a_torn_lock_file_is_no_obstacle(stub: StubNvml, gpus: MakeGpus, tmp_path: Path):
    left = tmp_path / "gpu" / f"{stub.gpus[0].uuid}.lock"
    left.parent.mkdir()
    left.write_text('{"pid": 1, "ten')
    ours = gpus()
    await ours.open()
    placement = await ours.place(wanted())
    assert placement.uuid == stub.gpus[0].uuid
    assert json.loads(left.read_text())["tenants"] == ["acme"]


async def test_a_shared_gpu_stays_in_its_mode(stub: StubNvml, gpus: MakeGpus):
    await gpus(exclusive=True).place(wanted(sharing=True))
    assert stub.modes(0) == []


async def test_a_mode_that_cannot_be_set_refuses_the_start(stub: StubNvml, gpus: MakeGpus):
    stub.say("noperm")
    ours = gpus(exclusive=True)
    assert "gpu.exclusive_process: false" in await refusal(ours, wanted())
    assert (await ours.listing()).gpus[0].tenants == []


# --- device files ---------------------------------------------------------------------------------------


def test_device_nodes_are_this_gpus_and_the_common_ones(tmp_path: Path):
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    assert [path.name for path in device_nodes(1, tmp_path)] == ["nvidia1", "nvidiactl", "nvidia-uvm"]
