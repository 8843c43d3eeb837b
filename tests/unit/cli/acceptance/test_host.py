"""The first rows of an acceptance run, on the stub NVML library and a PyTorch without CUDA."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from daemon.cli.acceptance import host
from daemon.supervisor.gpu import nvml
from tests.stubs.nvml import LIBRARY_NOT_FOUND, STATE_VARIABLE, StubNvml, build

_TORCH = {
    "available": True,
    "torch": "2.13.0",
    "cuda": "13.0",
    "count": 1,
    "uuid": "00000000-0000-4000-8000-000000000000",
}


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StubNvml:
    ctypes.CDLL(str(build(tmp_path)))
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "state"))
    monkeypatch.setattr(nvml, "CONTROL_NODE", tmp_path / "nvidiactl")
    return StubNvml(tmp_path / "state")


def test_a_host_without_a_driver_can_prove_nothing(stub: StubNvml, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(host, "_ask_torch", lambda: dict(_TORCH))
    stub.say(f"init {LIBRARY_NOT_FOUND}")
    found, rows = host.look()
    assert found.gpu is None
    assert [row.verdict for row in rows] == ["not possible here"]


def test_driver_and_pytorch_speak_of_the_same_gpu(stub: StubNvml, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(host, "_ask_torch", lambda: dict(_TORCH))
    found, rows = host.look()
    assert found.gpu is not None
    assert found.gpu.uuid == stub.gpus[0].uuid
    agree = rows[0]
    assert (agree.verdict, agree.name) == ("passed", "driver, CUDA and PyTorch")
    assert "Stub RTX" in agree.words
    monkeypatch.setattr(host, "_ask_torch", lambda: {**_TORCH, "uuid": "11111111-0000-4000-8000-000000000000"})
    assert host.look()[1][0].verdict == "failed"


def test_a_pytorch_without_cuda_fails(stub: StubNvml, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(host, "_ask_torch", lambda: {"available": False, "cuda": None})
    row = host.look()[1][0]
    assert row.verdict == "failed"
    assert "PyTorch can't use Stub RTX: CUDA None finds no GPU" in row.words


def test_a_split_gpu_is_said(stub: StubNvml, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(host, "_ask_torch", lambda: dict(_TORCH))
    assert host.look()[1][2].verdict == "passed"
    stub.change(0, mig=True)
    row = host.look()[1][2]
    assert row.verdict == "failed"
    assert "split by MIG" in row.words
