"""What is drawn: everything that somebody typed comes out as text."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from console.components.markup import Html, el, join, link_target, show_controls, user_text
from console.messages import LANGUAGES, Language, words
from console.view_models.lines import Difference, RefusedLine
from console.view_models.search import results_of
from console.view_models.vectors import vector_view
from daemon.core import errors, wire
from tests.support.console_fakes import NOW

HOSTILE = "<script>x</script><img src=x onerror=x>\"'>&amp;</div> **b** ${1} {{v}} \x00\x1b[31m\x7f\u202eevil"


class Reader(HTMLParser):
    """Tags, attributes and text of a piece of HTML; fails when it is not balanced."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("input", "meta", "link", "br"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def _harmless(html: str) -> Reader:
    found = Reader(html)
    assert not {"script", "img", "iframe", "object", "svg", "style"} & set(found.tags)
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert not [value for name, value in found.attributes if name == "href" and (value or "").startswith("java")]
    assert all(character.isprintable() or character in "\n\t" for character in found.text)
    return found


# --- the helper -----------------------------------------------------------------------------------


def test_elements_escape_text_and_attributes() -> None:
    made = el(
        "p", "1 < 2 & 3", None, 4, ["a", el("b", "c")], class_="x", data_key='a"b', hidden=True, title=None, on=False
    )
    assert made == '<p class="x" data-key="a&quot;b" hidden>1 &lt; 2 &amp; 34a<b>c</b></p>'
    assert el("br") == "<br>"
    assert join("<", el("i")) == "&lt;<i></i>"


@given(st.text())
def test_whatever_is_typed_comes_back_as_text(typed: str) -> None:
    found = Reader(user_text(typed))
    assert found.tags == ["div"]
    assert found.text.replace("\r", "").replace("\n", "") == show_controls(typed).replace("\r", "").replace("\n", "")


def test_control_characters_and_direction_overrides_are_seen() -> None:
    assert show_controls("a\x00\x1b\x7f\x85\u202eb\n\tc") == "a␀␛␡\N{REPLACEMENT CHARACTER}⟨RLO⟩b\n\tc"


@pytest.mark.parametrize(
    ("value", "linked"),
    [
        ("https://example.org/a?b=1", True), ("http://example.org", True), ("HTTPS://example.org", True),
        ("javascript:alert(1)", False), ("data:text/html,x", False), ("//example.org", False), ("/etc", False),
        ("https:evil", False), ("https://", False), (" https://example.org", False), ("https://a b", False),
        ("https://a\nb", False), ("https://[", False), ("java\tscript:x", False), (5, False), (None, False),
    ],
)  # fmt: skip
def test_only_web_addresses_are_links(value: Any, linked: bool) -> None:
    assert link_target(value) == (value if linked else None)


# --- the components -------------------------------------------------------------------------------


def _result(**hit: Any) -> wire.SearchResult:
    found = wire.Hit(id=1, score=0.9, **{"text": HOSTILE, "metadata": {HOSTILE: HOSTILE}, **hit})
    timing = wire.Timing(queue_ms=0.25, encode_ms=2, search_ms=3)
    return wire.SearchResult(results=[found], revision=1, timing=timing, warnings={HOSTILE: HOSTILE})


def _tenant() -> wire.TenantView:
    return wire.TenantView(
        name="acme", title=wire.Title(en=HOSTILE, zh=HOSTILE), state="backoff", goal="up", reason=HOSTILE,
        warnings={HOSTILE: HOSTILE}, device=HOSTILE, isolation=HOSTILE, entries=3, gpu_memory_mb=10,
        progress=wire.Progress(done=1, total=2, unit=HOSTILE),
        crash=wire.Crash(at=NOW, reason=HOSTILE, signal=HOSTILE, last_lines=[HOSTILE, json.dumps({HOSTILE: HOSTILE})]),
    )  # fmt: skip


def _change(**changes: Any) -> wire.Change:
    return wire.Change(**{"revision": 7, "at": NOW, "actor": HOSTILE, "kind": HOSTILE, "added": 3, **changes})


def _gpus() -> wire.GpuList:
    process = wire.GpuProcess(pid=1)
    gpu = wire.Gpu(
        index=0, uuid="u", name=HOSTILE, memory_mb=10, memory_used_mb=5, temperature_c=50, utilisation_percent=7,
        tenants=[HOSTILE], processes=[process],
    )  # fmt: skip
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
        update={"state": wire.OperationState.DONE, "result": {"added": 1, "refused": [
            {"line": 1, "text": HOSTILE, "kind": HOSTILE, "reason": HOSTILE}], "refused_total": 70}}
    )  # fmt: skip
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
        status_cards.host(wire.HostMemory(total_mb=10, available_mb=5), _gpus(), t),
        vector.vector(vector_view(wire.Vector(dimension=2, norm=1, fingerprint=HOSTILE, values=[0.1])), t),
    ]  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_typed_becomes_a_tag_an_attribute_or_a_script(language: Language) -> None:
    for html in _pieces(language):
        assert html is not None
        _harmless(html)


def test_a_card_has_rank_text_metadata_bar_score_and_a_link() -> None:
    found = _result(text="hello", metadata={"source": "https://example.org/x", "team": "https://no.link"})
    read = _harmless(cards.results(results_of(found, 0.4, 9), words("en")))
    assert ("style", "width:90.0%") in read.attributes
    assert [value for name, value in read.attributes if name == "href"] == ["https://example.org/x"]
    assert ("rel", "noopener noreferrer nofollow") in read.attributes
    for said in ("1", "hello", "0.9000", "waiting 0.2 ms", "understanding 2.0 ms", "in total 9.0 ms", "above 0.4"):
        assert said in read.text


def test_an_empty_base_and_low_scores_are_told_in_words() -> None:
    t = words("en")
    empty = _result().model_copy(update={"results": []})
    assert "no entries yet" in Reader(cards.results(results_of(empty, 0.4, 9), t)).text
    assert "Nothing here seems" in Reader(cards.results(results_of(_result(), 0.95, 9), t)).text


def test_a_problem_is_told_in_the_readers_language_and_in_the_daemons_words() -> None:
    read = Reader(notices.problem(errors.QueueFull("cannot search: 256 wait already"), words("zh")))
    assert "请求过多" in read.text
    assert "256 wait already" in read.text
    assert ("href", "/signin") in Reader(notices.problem(errors.Unauthenticated("x"), words("en"))).attributes


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


def test_a_warning_is_told_in_the_readers_language_and_in_the_daemons_words() -> None:
    read = Reader(notices.warning("memory_mb", "memory: 192 MB, over the limit", words("zh")))
    assert "内存使用超出限制" in read.text
    assert "192 MB" in read.text
    assert "new and unknown" in Reader(notices.warning("of-a-newer-daemon", "new and unknown", words("zh"))).text


def test_the_last_change_that_stands_can_be_taken_back() -> None:
    """Revision 8 was taken back by 9: only 7 can be."""
    changes = [_change(revision=9, kind="undo"), _change(revision=8, kind="add", undone=True),
               _change(revision=7, kind="set", actor="user:editor"), _change(revision=6, kind="seed")]  # fmt: skip
    page = wire.HistoryPage(changes=changes)
    read = Reader(history.history(page, "acme", words("en")))
    assert [value for name, value in read.attributes if name == "data-revision"] == ["9"], "the base as it was shown"
    assert any(name == "data-sure" and "“Saved text”" in str(value) for name, value in read.attributes)
    assert "by user:editor" in read.text
    assert "3 new" in read.text
    assert "Nothing has been changed" in Reader(history.history(wire.HistoryPage(changes=[]), "acme", words("en"))).text


def test_no_gpu_and_nothing_to_tell() -> None:
    t = words("en")
    shown = status_cards.host(wire.HostMemory(total_mb=2048, available_mb=1024), wire.GpuList(gpus=[]), t)
    assert shown is not None
    assert "1.0 GiB of 2.0 GiB free" in Reader(shown).text
    assert "no GPU on this host" in Reader(shown).text
    assert status_cards.host(None, None, t) is None


def test_progress_of_an_import_with_and_without_a_total() -> None:
    operation = wire.Operation(
        id="e-1", kind="import", state=wire.OperationState.RUNNING, started_at=NOW,
        progress=wire.Progress(done=5, total=20, unit="entries"),
    )  # fmt: skip
    t = words("en")
    assert ("style", "width:25%") in Reader(files.progress(operation, t)).attributes
    assert "5 of 20" in Reader(files.progress(operation, t)).text
    unknown = operation.model_copy(update={"progress": wire.Progress(done=5)})
    assert "Entries so far: 5" in Reader(files.progress(unknown, t)).text


def test_a_gpu_is_told_with_its_figures_its_tenants_and_what_else_runs_on_it() -> None:
    ours, foreign = wire.GpuProcess(pid=1, tenant="acme"), wire.GpuProcess(pid=2)
    gpu = wire.Gpu(
        index=1, uuid="u", name="Stub", memory_mb=24_000, memory_used_mb=6_000, temperature_c=41, utilisation_percent=7,
        tenants=["acme", "globex"], processes=[ours, foreign], problem="the GPU is lost",
    )  # fmt: skip
    said = str(status_cards.host(None, wire.GpuList(gpus=[gpu]), words("en")))
    for part in ("GPU 1 Stub", "41 °C", "7 %", "acme, globex", "other processes: 1", "the GPU is lost", "width:25%"):
        assert part in said, part
    silent = gpu.model_copy(update={"temperature_c": None, "utilisation_percent": None, "problem": None})
    assert "°C" not in str(status_cards.host(None, wire.GpuList(gpus=[silent]), words("en")))
    trouble = wire.GpuList(gpus=[], note="the driver has not answered for 5 s")
    assert "the driver has not answered" in str(status_cards.host(None, trouble, words("en")))
