"""Benches: one at a time on a host, and only figures that are complete count."""

from __future__ import annotations

from pathlib import Path

import pytest

from daemon.core.config.tenant_file import TenantFile
from daemon.core.encoder_protocol.bench import Bench, BenchAbout, BenchRequest, BenchRow
from daemon.core.encoder_protocol.job import Problem, Step
from daemon.core.errors import Conflict, StartRefused
from daemon.core.wire import Operation, OperationState
from daemon.supervisor.gpu.placement import Placement
from daemon.supervisor.jobs.bench import Benching
from daemon.supervisor.tenants.tenant import Tenant
from tests.support.scripted_tenant import World
from tests.unit.supervisor.conftest import WAITS_FOR_ITS_END, WithJobs, says

ASKED = BenchRequest(entries=[5, 20], seconds=0.1, clients=2)
ABOUT = BenchAbout(fingerprint="f", device="cpu", dimension=2, own_texts=1)
GPU = Placement(device="cuda:0", words="GPU 0 (a card)", uuid="GPU-1")


def row(entries: int) -> BenchRow:
    figures = dict.fromkeys(set(BenchRow.model_fields) - {"type", "entries", "memory_mb"}, 1.0)
    return BenchRow(entries=entries, **figures)


ROWS = [row(5), row(20)]


class Benched:
    """The bench of a world's host; `released` lists the tenants whose GPU was given back."""

    def __init__(self, world: WithJobs, **others: Tenant) -> None:
        self.world = world
        self.released: list[str] = []
        self.benching = Benching(
            world.operations,
            world.jobs,
            world.jobs.place,
            lambda tenant: self.released.append(tenant.name),
            {"acme": world.tenant, **others},
        )

    def begin(self, script: str, *, beside: bool = False) -> Operation:
        self.world.jobs.script = script
        return self.benching.begin(self.world.tenant, ASKED.model_copy(update={"beside": beside}))

    async def done(self, script: str, *, beside: bool = False) -> Bench:
        operation = await self.world.ended(self.begin(script, beside=beside))
        assert operation.state is OperationState.DONE, operation.error
        return Bench.model_validate(operation.result)

    async def why(self, script: str) -> str:
        """Return the words of a bench that fails."""
        return await self.world.why(self.begin(script))

    async def begun(self) -> Operation:
        """Begin one that shows its progress and goes on until it is told to end."""
        operation = self.begin(f"{says(Step(done=1, total=2))}\n{WAITS_FOR_ITS_END}")
        await self.world.progress(operation.id)
        return operation


@pytest.fixture
async def host(world: WithJobs) -> Benched:
    """Make a host whose tenant rests."""
    await world.rest()
    return Benched(world)


# --- figures --------------------------------------------------------------------------------------------------


async def test_figures_are_collected_and_the_gpu_is_given_back(host: Benched) -> None:
    found = await host.done(says(ABOUT, Step(done=0, total=2), ROWS[0], Step(done=2, total=2), ROWS[1]))
    assert (found.about, found.rows, found.clients, found.seconds) == (ABOUT, ROWS, 2, 0.1)
    assert found.notes == ["asked on the encoder's own socket: the daemon's relay adds about 0.3 ms to a request"]
    assert [placed.words for placed in host.world.jobs.placements] == ["the CPU that was asked for"]
    assert host.released == ["acme"]
    assert host.world.jobs.ended == [("acme", "bench")]
    assert host.benching.pids() == {}


@pytest.mark.parametrize("script", [says(*ROWS), says(ABOUT, ROWS[0]), says(ABOUT, *ROWS, ROWS[1]), says()])
async def test_figures_that_are_not_all_there_are_none(host: Benched, script: str) -> None:
    assert "ended without all figures" in await host.why(script)


async def test_a_problem_of_the_jobs_is_told(host: Benched) -> None:
    why = await host.why(says(ABOUT, Problem(kind="start-refused", reason="cannot bench: no model")))
    assert why == "cannot bench: no model"
    assert host.released == ["acme"]


async def test_a_real_job_measures_the_fake_encoder(host: Benched) -> None:
    found = await host.done("")
    assert [row.entries for row in found.rows] == [5, 20]


# --- beside an encoder that runs ------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "words"), [(1, "1 other encoder ran on"), (2, "2 other encoders ran on")])
async def test_notes_say_what_else_ran(world: WithJobs, tmp_path: Path, count: int, words: str) -> None:
    others = [World(tmp_path / str(number)) for number in range(count)]
    for one in (world, *others):
        await one.become_ready()
    host = Benched(world, **{f"other-{number}": other.tenant for number, other in enumerate(others)})
    notes = (await host.done(says(ABOUT, *ROWS))).notes[1:]
    assert notes == ["its own encoder was ready meanwhile", f"{words} this host"]
    assert host.released == []  # its encoder goes on there
    for other in others:
        await other.close()


async def test_a_gpu_that_its_own_encoder_holds_is_shared_only_if_asked(world: WithJobs) -> None:
    await world.become_ready()
    world.tenant.facts.show_placement(GPU)
    host = Benched(world)
    with pytest.raises(Conflict, match=r"its own encoder holds GPU 0 \(a card\); stop it first \(vecward stop acme\)"):
        host.begin(says(ABOUT, *ROWS))
    found = await host.done(says(ABOUT, *ROWS), beside=True)
    assert found.notes[1:] == ["its own encoder was ready meanwhile, both on GPU 0 (a card)"]
    assert world.jobs.placements == [GPU]


async def test_an_encoder_whose_place_is_unknown_gives_the_cpu(world: WithJobs) -> None:
    await world.become_ready()
    world.tenant.facts.show_placement(None)
    await Benched(world).done(says(ABOUT, *ROWS))
    assert world.jobs.placements == [Placement()]


# --- one at a time --------------------------------------------------------------------------------------------


async def test_a_second_one_is_refused_until_the_first_has_ended(host: Benched) -> None:
    running = await host.begun()
    assert set(host.benching.pids().values()) == {"acme"}
    progress = host.world.operations.get(running.id).progress
    assert progress is not None
    assert (progress.done, progress.total, progress.unit) == (1, 2, "bases; now 20 entries")
    with pytest.raises(Conflict, match="acme is being benched"):
        host.begin(says())
    await host.benching.stop(host.world.tenant)
    assert (await host.world.ended(running)).state is OperationState.CANCELLED
    assert host.benching.pids() == {}
    await host.done(says(ABOUT, *ROWS))
    await host.benching.stop(host.world.tenant)  # nothing runs


async def test_a_stop_of_another_tenant_leaves_it(host: Benched, tmp_path: Path) -> None:
    running = await host.begun()
    other = World(tmp_path / "other")
    other.tenant.name = "globex"
    await host.benching.stop(other.tenant)
    assert host.world.operations.get(running.id).state is OperationState.RUNNING
    await other.close()


async def test_a_tenant_without_a_valid_file_has_no_model_to_measure(host: Benched) -> None:
    tenant = host.world.tenant
    tenant.put_in_force(TenantFile("acme", tenant.file.path))
    with pytest.raises(StartRefused, match="cannot bench acme: its file is not valid"):
        host.begin(says())
