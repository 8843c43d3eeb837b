"""Imports and their progress."""

from __future__ import annotations

from console.components import files
from console.messages import words
from daemon.core import wire
from tests.support.console.fakes import NOW
from tests.support.console.html import Reader


def test_progress_of_an_import_with_and_without_a_total() -> None:
    operation = wire.Operation(
        id="e-1",
        kind="import",
        state=wire.OperationState.RUNNING,
        started_at=NOW,
        progress=wire.Progress(done=5, total=20, unit="entries"),
    )
    t = words("en")
    assert ("style", "width:25%") in Reader(files.progress(operation, t)).attributes
    assert "Entries done: 5 of 20" in Reader(files.progress(operation, t)).text
    unknown = operation.model_copy(update={"progress": wire.Progress(done=5)})
    assert "Entries so far: 5" in Reader(files.progress(unknown, t)).text
