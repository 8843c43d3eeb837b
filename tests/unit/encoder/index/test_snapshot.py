"""Snapshots are read back as they were written, thrown away at the least doubt, and never half there."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.core.config.tenant_config import IndexConfig
from daemon.encoder.index import BadSnapshot, Moment, keeper, kind_of
from daemon.encoder.index import snapshot_file as snapshot
from daemon.encoder.index.exact import ExactIndex
from daemon.encoder.index.growing import GrowingMatrix
from daemon.encoder.index.keeper import Keeper
from daemon.encoder.index.restore import restore
from daemon.encoder.knowledge import Committed, Knowledge
from tests.support.encoder import knowledge as support

FINGERPRINT, DIMENSION = support.FINGERPRINT, 64
KIND = kind_of(IndexConfig())


def write(path: Path, index: ExactIndex, revision: int = 3, stamp: str = "then") -> None:
    index.moment = Moment(FINGERPRINT, revision, stamp)
    writer = index.snapshot(path)
    while not writer.step():
        pass


def filled(rows: int = 5) -> ExactIndex:
    index = ExactIndex(DIMENSION)
    index.upsert((id_, support.vector(str(id_))) for id_ in range(1, rows + 1))
    return index


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    write(tmp_path / "index" / "snapshot", filled(5000))
    found = snapshot.read(tmp_path / "index" / "snapshot", FINGERPRINT, DIMENSION)
    assert (found.moment, len(found.ids)) == (Moment(FINGERPRINT, 3, "then"), 5000)
    for id_, row in zip(found.ids.tolist(), found.vectors.array, strict=True):
        np.testing.assert_array_equal(row, support.vector(str(id_)))


def test_an_empty_index_can_be_kept(tmp_path: Path) -> None:
    write(tmp_path / "snapshot", ExactIndex(DIMENSION))
    assert len(snapshot.read(tmp_path / "snapshot", FINGERPRINT, DIMENSION).ids) == 0


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_no_flipped_bit_passes(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("flip") / "snapshot"
    write(path, filled())
    raw = bytearray(path.read_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(raw)
    with pytest.raises(BadSnapshot):
        snapshot.read(path, FINGERPRINT, DIMENSION)


@pytest.mark.parametrize("keep", [0, 1, 15, 16, 40, -1])
def test_no_cut_file_passes(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "snapshot"
    write(path, filled())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BadSnapshot):
        snapshot.read(path, FINGERPRINT, DIMENSION)


def test_another_model_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "snapshot", filled())
    with pytest.raises(BadSnapshot, match="another model"):
        snapshot.read(tmp_path / "snapshot", "other", DIMENSION)
    with pytest.raises(BadSnapshot, match="another model"):
        snapshot.read(tmp_path / "snapshot", FINGERPRINT, DIMENSION + 1)


def test_giving_up_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "snapshot"
    write(path, filled(2))
    writer = filled(9).snapshot(path)
    writer.step()
    writer.give_up()
    assert snapshot.read(path, FINGERPRINT, DIMENSION).moment.revision == 3
    assert list(tmp_path.iterdir()) == [path]


# --- restoring ---


@pytest.fixture
def base(tmp_path: Path) -> Knowledge:
    base = support.open_base(tmp_path / "knowledge.db")
    support.add(base, "one", "two", "three")
    return base


def restored(base: Knowledge, path: Path) -> tuple[ExactIndex, bool]:
    """Restore the index, which must equal the base; True: the snapshot equals it, too."""
    index, fresh = restore(KIND, base, path, FINGERPRINT, DIMENSION)
    assert isinstance(index, ExactIndex)
    held = support.contents(base)
    assert sorted(index.ids.tolist()) == sorted(held)
    for id_, row in zip(index.ids.tolist(), index.matrix, strict=True):
        np.testing.assert_array_equal(row, support.vector(held[id_][0]))
    assert (index.moment.fingerprint, index.moment.revision) == (FINGERPRINT, base.reads.revision)
    return index, fresh


def is_fresh(base: Knowledge, path: Path) -> bool:
    return restored(base, path)[1]


def keeper_of(base: Knowledge, path: Path, clock: Callable[[], float] = time.monotonic) -> Keeper:
    index, fresh = restored(base, path)
    return Keeper(index, path, fresh=fresh, clock=clock)


def keep(base: Knowledge, path: Path) -> None:
    keeper_of(base, path).finish()


def test_a_missing_snapshot_is_rebuilt_from_the_vectors(base: Knowledge, tmp_path: Path) -> None:
    assert not is_fresh(base, tmp_path / "snapshot")


def test_a_snapshot_of_now_is_fresh(base: Knowledge, tmp_path: Path) -> None:
    keep(base, tmp_path / "snapshot")
    assert is_fresh(base, tmp_path / "snapshot")


def test_what_changed_since_is_applied(base: Knowledge, tmp_path: Path) -> None:
    keep(base, tmp_path / "snapshot")
    support.add(base, "four")
    support.edit(base, 1, "one, but another")
    support.delete(base, 2)
    assert not is_fresh(base, tmp_path / "snapshot")


def spoil_forget(base: Knowledge, path: Path) -> None:
    support.delete(base, 1, forget=True)


def spoil_bytes(base: Knowledge, path: Path) -> None:
    path.write_bytes(b"nonsense")


def spoil_stamp(base: Knowledge, path: Path) -> None:
    write(path, filled(), base.reads.revision, "another change under this number")


def spoil_future(base: Knowledge, path: Path) -> None:
    write(path, filled(), base.reads.revision + 7, "")


@pytest.mark.parametrize("spoil", [spoil_forget, spoil_bytes, spoil_stamp, spoil_future])
def test_a_doubtful_snapshot_is_rebuilt(
    base: Knowledge, tmp_path: Path, spoil: Callable[[Knowledge, Path], None]
) -> None:
    keep(base, tmp_path / "snapshot")
    spoil(base, tmp_path / "snapshot")
    restored(base, tmp_path / "snapshot")


# --- keeping ---


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_it_is_written_once_nothing_changes_for_a_while(base: Knowledge, tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "snapshot"
    kept = keeper_of(base, path, clock)
    assert kept.idle() == pytest.approx(keeper.QUIET_S)
    clock.now += keeper.QUIET_S
    while kept.idle() == 0.0:
        assert not path.exists()
    assert kept.idle() is None
    assert is_fresh(base, path)


def test_a_change_restarts_a_half_written_one(base: Knowledge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, path = Clock(), tmp_path / "snapshot"
    kept = keeper_of(base, path, clock)
    clock.now += keeper.QUIET_S
    assert kept.idle() == 0.0
    assert kept.idle() == 0.0  # ids, then vectors: views of what is about to grow
    monkeypatch.delattr(GrowingMatrix, "_mapped")  # in place, without a copy
    kept.apply(support.add(base, *(f"entry {number}" for number in range(5000))))
    monkeypatch.undo()
    kept.finish()
    assert is_fresh(base, path)


def test_many_changes_are_not_left_waiting(base: Knowledge, tmp_path: Path) -> None:
    path = tmp_path / "snapshot"
    kept = keeper_of(base, path, Clock())
    kept.apply(support.add(base, *(f"entry {number}" for number in range(keeper.CHANGES))))
    assert kept.idle() == 0.0
    kept.finish()
    assert is_fresh(base, path)


def test_forgetting_removes_the_file_at_once(base: Knowledge, tmp_path: Path) -> None:
    path = tmp_path / "snapshot"
    keep(base, path)
    kept = keeper_of(base, path)
    kept.apply(support.delete(base, 1, forget=True))
    assert not path.exists()
    kept.finish()
    assert is_fresh(base, path)


def test_a_replayed_commit_changes_nothing(base: Knowledge, tmp_path: Path) -> None:
    path = tmp_path / "snapshot"
    keep(base, path)
    kept = keeper_of(base, path)
    kept.apply(Committed(9, removed=[1], replayed=True))
    assert len(kept.index) == 3
    assert kept.idle() is None


def test_a_disk_that_takes_nothing_is_tried_again_later(tmp_path: Path) -> None:
    clock = Clock()
    (tmp_path / "file").write_text("in the way of the folder")
    path = tmp_path / "file" / "snapshot"
    kept = Keeper(filled(), path, fresh=False, clock=clock)
    clock.now += keeper.QUIET_S
    assert kept.idle() == keeper.RETRY_S
    assert kept.idle() == pytest.approx(keeper.RETRY_S)
