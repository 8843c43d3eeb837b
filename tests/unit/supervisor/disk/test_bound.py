"""The bound on a tenant's folder, and the words to the tenant that passes it."""

from __future__ import annotations

import pytest

from daemon.supervisor.disk import watch
from daemon.supervisor.disk.bound import Bound, bound_of
from daemon.supervisor.disk.usage import Usage


def test_the_bound_leaves_room_for_a_second_copy() -> None:
    assert bound_of(None) is None
    assert bound_of(1) == Bound(66, 10_016)
    assert bound_of(1000) == Bound(2064, 26_000)


@pytest.mark.parametrize(
    ("usage", "passes"),
    [(Usage(66, 10_016), False), (Usage(66.1, 1), True), (Usage(0, 10_017), True), (Usage(0, 0), False)],
)
def test_a_folder_passes_it_by_size_or_by_files(usage: Usage, passes: bool) -> None:
    assert usage.passes(Bound(66, 10_016)) is passes


@pytest.mark.parametrize(
    ("usage", "words"),
    [
        (Usage(1234.4, 5), "stopped: its folder holds 1,234 MB; the limit is 66 MB (2 × limits.disk_mb + 64 MB);"),
        (Usage(1, 10_017), "stopped: its folder holds more files than the limit of 10,016 (10,000 + 16 × limits.disk"),
    ],
)
def test_the_words_name_the_figure_the_limit_and_the_way_out(usage: Usage, words: str) -> None:
    said = watch.too_much(usage, Bound(66, 10_016), "/var/lib/vecward/tenants/acme")
    assert said.startswith(words)
    assert "look into /var/lib/vecward/tenants/acme" in said
    assert "raise the limit" in said
