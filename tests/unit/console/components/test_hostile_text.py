"""Every component with hostile text in each field: it comes out as text."""

from __future__ import annotations

import json

import pytest

from console.components import (
    audit_lines,
    cards,
    difference,
    entry_table,
    files,
    history,
    notices,
    status_cards,
    vector,
)
from console.components.markup import Html
from console.messages import LANGUAGES, Language, words
from console.view_models.lines import Difference, RefusedLine
from console.view_models.search import results_of
from console.view_models.vectors import vector_view
from daemon.core import errors, wire
from tests.support.console.fakes import NOW
from tests.support.console.html import HOSTILE, harmless


def _result() -> wire.SearchResult:
    found = wire.Hit(id=1, score=0.9, text=HOSTILE, metadata={HOSTILE: HOSTILE})
    timing = wire.Timing(queue_ms=0.25, encode_ms=2, search_ms=3)
    return wire.SearchResult(results=[found], revision=1, timing=timing, warnings={HOSTILE: HOSTILE})


def _tenant() -> wire.TenantView:
    return wire.TenantView(
        name="acme",
        title=wire.Title(en=HOSTILE, zh=HOSTILE),
        state="backoff",
        goal="up",
        reason=HOSTILE,
        warnings={HOSTILE: HOSTILE},
        device=HOSTILE,
        isolation=HOSTILE,
        entries=3,
        gpu_memory_mb=10,
        progress=wire.Progress(done=1, total=2, unit=HOSTILE),
        crash=wire.Crash(at=NOW, reason=HOSTILE, signal=HOSTILE, last_lines=[HOSTILE, json.dumps({HOSTILE: HOSTILE})]),
    )


def _change() -> wire.Change:
    return wire.Change(revision=7, at=NOW, actor=HOSTILE, kind=HOSTILE, added=3)


def _info() -> wire.Info:
    memory = wire.HostMemory(total_mb=10, available_mb=5)
    return wire.Info(version=HOSTILE, isolation=HOSTILE, admin=True, caller=[HOSTILE], memory=memory, disk="watch")


def _gpus() -> wire.GpuList:
    process = wire.GpuProcess(pid=1)
    gpu = wire.Gpu(
        index=0,
        uuid="u",
        name=HOSTILE,
        memory_mb=10,
        memory_used_mb=5,
        temperature_c=50,
        utilisation_percent=7,
        tenants=[HOSTILE],
        processes=[process],
    )
    return wire.GpuList(gpus=[gpu])


def _pieces(language: Language) -> list[Html | None]:
    t = words(language)
    entry = wire.Entry(id=1, text=HOSTILE, metadata={"url": HOSTILE}, created_at=NOW, updated_at=NOW)
    refused = RefusedLine(1, HOSTILE, "new-kind", HOSTILE)
    change = Difference((HOSTILE,) * 40, (HOSTILE,), 1, (refused,))
    failed = wire.Operation(
        id="e-1", kind="import", state=wire.OperationState.FAILED, started_at=NOW, error={"detail": HOSTILE}
    )
    done = failed.model_copy(
        update={
            "state": wire.OperationState.DONE,
            "result": {
                "added": 1,
                "refused": [{"line": 1, "text": HOSTILE, "kind": HOSTILE, "reason": HOSTILE}],
                "refused_total": 70,
            },
        },
    )
    page = wire.EntryPage(entries=[entry], total=1, revision=1)
    saved = wire.SetResult(added=1, removed=0, unchanged=0, revision=3, warnings={HOSTILE: HOSTILE})
    return [
        cards.results(results_of(_result(), 0.4, 9), t),
        cards.empty([HOSTILE], t),
        difference.difference(change, t, 5),
        difference.saved(change, saved, t, 5),
        entry_table.entry_table(entry_table.Shown(page, 1), t),
        entry_table.entry_list([entry], 1, t),
        files.files(HOSTILE, t),
        files.ended(failed, t, 5),
        files.ended(done, t, 5),
        files.refusal(HOSTILE, HOSTILE, t),
        files.encoding_note(HOSTILE, t),
        notices.problem(errors.Invalid(HOSTILE), t),
        notices.notice(HOSTILE),
        status_cards.tenant_cards([_tenant()], language, t),
        history.history(wire.HistoryPage(changes=[_change()]), HOSTILE, t),
        audit_lines.audit_lines(wire.AuditPage(lines=[{"at": HOSTILE, "tenant": HOSTILE, HOSTILE: HOSTILE}]), t),
        status_cards.host(_info(), _gpus(), t),
        vector.vector(vector_view(wire.Vector(dimension=2, norm=1, fingerprint=HOSTILE, values=[0.1])), t),
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_typed_becomes_a_tag_an_attribute_or_a_script(language: Language) -> None:
    for html in _pieces(language):
        assert html is not None
        harmless(html)
