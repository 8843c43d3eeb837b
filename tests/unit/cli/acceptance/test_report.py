"""Rows of an acceptance run: on the disk as they end, and what fails."""

from __future__ import annotations

import json
from pathlib import Path

from daemon.cli.acceptance.report import Report, Row, impossible, judged


def test_rows_are_on_the_disk_as_they_end(tmp_path: Path):
    path = tmp_path / "report.jsonl"
    path.write_text("an older report\n")
    told: list[Row] = []
    report = Report(path, told.append)
    report.add(judged("encode", True, "alike", name="a card"))
    assert json.loads(path.read_text()) == {
        "name": "encode",
        "verdict": "passed",
        "words": "alike",
        "figures": {"name": "a card"},
        "took_s": 0.0,
    }
    report.add(impossible("lock", "no GPU"))
    assert [json.loads(line)["verdict"] for line in path.read_text().splitlines()] == ["passed", "not possible here"]
    assert told == report.rows


def test_what_is_not_possible_is_no_failure():
    report = Report(None, lambda _: None)
    report.add(impossible("lock", "no GPU"))
    report.add(judged("encode", True, "alike"))
    assert report.failed == 0
    report.add(judged("hung kernel", False, "not found"))
    assert report.failed == 1
