"""The acceptance run: which rows, in which order, and that one which breaks does not end the others."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from daemon.cli.acceptance import encode, host, supervision, table
from daemon.cli.acceptance.report import Report, Row, impossible
from daemon.cli.acceptance.stage import Stage
from daemon.core.encoder_protocol.sample_texts import sentences
from daemon.core.errors import VecwardError
from daemon.supervisor.gpu.nvml import Device

PARTS = ("speed", "supervision", "large")
GPU = "cuda:0"
_REHEARSED_TEXTS = 200


def accept(report: Report, model: Path | None, parts: Iterable[str]) -> None:
    """Prove the host's first GPU, part by part; a host without one gets one row that says so."""
    found, rows = host.look()
    for row in rows:
        report.add(row)
    gpu = found.gpu
    if gpu is None:
        return
    with Stage.made() as stage:
        runs: dict[str, Callable[[], None]] = {
            "speed": lambda: _speed(report, stage, model, "0.6B"),
            "supervision": lambda: _supervision(report, stage, gpu),
            "large": lambda: _speed(report, stage, None, "4B"),
        }
        for part in parts:
            _guarded(report, part, runs[part])


def rehearse(report: Report) -> None:
    """Run what can be run on the processor, with a two-layer model: the run itself is tried, not a GPU."""
    with Stage.made() as stage:
        _guarded(report, "rehearsal", lambda: _rehearsal(report, stage))


def _guarded(report: Report, part: str, run: Callable[[], None]) -> None:
    began = time.monotonic()
    try:
        run()
    except (VecwardError, OSError, subprocess.TimeoutExpired) as error:
        report.add(Row(part, "failed", str(error), took_s=round(time.monotonic() - began, 1)))


def _speed(report: Report, stage: Stage, model: Path | None, size: str) -> None:
    folder, row = (model, Row("model", "passed", str(model))) if model else encode.make_model(stage, size)
    report.add(row)
    texts = sentences(max(table.SIZES))
    rows, alone = encode.compare(stage, folder, GPU, len(texts))
    for each in rows:
        report.add(each)
    report.add(encode.out_of_memory(stage, folder, GPU))
    for each in table.measure(stage, folder, GPU, texts, alone):
        report.add(each)


def _supervision(report: Report, stage: Stage, gpu: Device) -> None:
    for row in supervision.supervise(stage, gpu, GPU):
        report.add(row)


def _rehearsal(report: Report, stage: Stage) -> None:
    folder, row = encode.make_model(stage, "tiny")
    report.add(row)
    rows, alone = encode.compare(stage, folder, "cpu", _REHEARSED_TEXTS)
    for each in rows:
        report.add(each)
    for each in supervision.rehearse(stage):
        report.add(each)
    *sizes, ratios = table.measure(stage, folder, "cpu", sentences(_REHEARSED_TEXTS), alone)
    for each in sizes:
        report.add(each)
    report.add(replace(ratios, verdict="not possible here", words=f"two layers on a processor: {ratios.words}"))
    report.add(impossible("lock, memory", "a rehearsal on the processor has no GPU"))
