"""The one list of counters, and those that read it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from daemon.core.encoder_protocol import counters
from daemon.core.encoder_protocol.counters import BY_DAY, COUNTERS, QUERIES, STORAGE_KEY, TIMINGS, Counter, Counts
from daemon.core.encoder_protocol.histogram import BUCKETS
from daemon.core.wire import UsageDay
from daemon.supervisor.records import state_db
from daemon.supervisor.records.state_db import StateDb

CHECKOUT = Path(__file__).resolve().parents[3]


def test_each_row_is_counted_where_it_says() -> None:
    names = {value: name for name, value in vars(counters).items() if value in (*COUNTERS, *TIMINGS)}
    for row in (*COUNTERS, *TIMINGS):
        call = "add" if isinstance(row, Counter) else "observe"
        assert f".{call}({names[row]}" in (CHECKOUT / row.counted_in).read_text(), row.name


def test_names_are_used_once() -> None:
    names = [*(counter.name for counter in COUNTERS), *(timing.key for timing in TIMINGS), STORAGE_KEY]
    metrics = [*(counter.metric for counter in COUNTERS), *(f"{timing.name}_seconds" for timing in TIMINGS)]
    for words in (names, metrics):
        assert len(words) == len(set(words))


def test_an_answer_has_each_figure_by_its_key() -> None:
    counts = Counts()
    counts.add(QUERIES, 3)
    counts.observe(counters.QUEUE, 0.02)
    answer = counts.to_answer()
    assert set(answer) == {counter.name for counter in COUNTERS} | {timing.key for timing in TIMINGS}
    assert answer["queries"] == 3
    assert len(answer["queue_times"]) == BUCKETS + 1
    assert sum(answer["queue_times"][:-1]) == 1
    assert answer["queue_times"][-1] == pytest.approx(0.02)


def test_the_usage_has_a_field_for_each_counter_that_is_kept_by_day() -> None:
    assert set(UsageDay.model_fields) == {"tenant", "day", STORAGE_KEY, *(counter.name for counter in BY_DAY)}


def test_a_new_daily_counter_gets_its_column_in_a_state_db_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.db"
    StateDb(path).close()
    new = Counter("pages", "pages", "Pages read", "pages", "nowhere.py", by_day=True)
    monkeypatch.setattr(state_db, "BY_DAY", (*BY_DAY, new))
    for _ in range(2):
        StateDb(path).close()
    columns = {row[1] for row in sqlite3.connect(path).execute("PRAGMA table_info(usage)")}
    assert columns == {*UsageDay.model_fields, "pages"}
