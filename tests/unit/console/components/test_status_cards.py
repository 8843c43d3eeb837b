"""Tenants and their host, as admins see them."""

from __future__ import annotations

from typing import Any

import pytest
from markupsafe import escape

from console.components import status_cards
from console.messages import LANGUAGES, Language, words
from daemon.core import wire
from tests.support.console.fakes import NOW
from tests.support.console.html import Reader


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_crash_is_told_once_with_its_time_and_the_last_lines_of_the_log(language: Language) -> None:
    lines = ['{"event": "stderr", "text": "MemoryError"}', '{"event": "ready", "entries": 3}', "no JSON"]
    crash = wire.Crash(at=NOW, reason="the encoder exited with code 1", exit_code=1, last_lines=lines)
    tenant = wire.TenantView(name="acme", title=wire.Title(), state="backoff", goal="up", crash=crash)
    t = words(language)
    says_so = tenant.model_copy(update={"reason": crash.reason})
    shown = Reader(status_cards.tenant_cards([says_so], language, t))
    assert shown.text.count(crash.reason) == 1
    assert "MemoryError\nready entries=3\nno JSON" in shown.text
    assert f"{NOW:%H:%M:%S} UTC" in shown.text
    waits = tenant.model_copy(update={"reason": "waits for its GPU"})
    assert "waits for its GPU" in Reader(status_cards.tenant_cards([waits], language, t)).text


def info(memory: wire.HostMemory | None, **fields: Any) -> wire.Info:
    return wire.Info(version="0", isolation="strict", admin=True, caller=[], memory=memory, **fields)


def test_no_gpu_and_nothing_to_tell() -> None:
    t = words("en")
    shown = status_cards.host(info(wire.HostMemory(total_mb=2048, available_mb=1024)), wire.GpuList(gpus=[]), t)
    assert shown is not None
    assert "1.0 GiB of 2.0 GiB free" in Reader(shown).text
    assert "no GPU on this host" in Reader(shown).text
    assert status_cards.host(info(None), None, t) is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_bounds_that_a_host_does_not_give_are_told(language: Language) -> None:
    t = words(language)
    lacking = info(wire.HostMemory(total_mb=2, available_mb=1), lacking=["cgroups", "seccomp"], disk="watch")
    shown = Reader(status_cards.host(lacking, None, t)).text
    for key in ("lacking.cgroups", "lacking.seccomp", "disk.watch"):
        assert escape(t(key)) in shown, key


def test_a_gpu_is_told_with_its_figures_its_tenants_and_what_else_runs_on_it() -> None:
    ours, foreign = wire.GpuProcess(pid=1, tenant="acme"), wire.GpuProcess(pid=2)
    gpu = wire.Gpu(
        index=1,
        uuid="u",
        name="Stub",
        memory_mb=24_000,
        memory_used_mb=6_000,
        temperature_c=41,
        utilisation_percent=7,
        tenants=["acme", "globex"],
        processes=[ours, foreign],
        problem="the GPU is lost",
    )
    said = str(status_cards.host(info(None), wire.GpuList(gpus=[gpu]), words("en")))
    for part in ("GPU 1 Stub", "41 °C", "7 %", "acme, globex", "other processes: 1", "the GPU is lost", "width:25%"):
        assert part in said, part
    silent = gpu.model_copy(update={"temperature_c": None, "utilisation_percent": None, "problem": None})
    assert "°C" not in str(status_cards.host(info(None), wire.GpuList(gpus=[silent]), words("en")))
    trouble = wire.GpuList(gpus=[], note="the driver has not answered for 5 s")
    assert "the driver has not answered" in str(status_cards.host(info(None), trouble, words("en")))
