"""The words for the isolation in force."""

from __future__ import annotations

from typing import get_args

import pytest

from daemon.cli.isolation_words import DISK, ISOLATION, LACKING, isolation_words
from daemon.core.config.daemon_config import DaemonConfig
from daemon.core.wire import DiskBound, Info, Lacking


def info(**fields: object) -> Info:
    return Info.model_validate({"version": "0", "isolation": "strict", "admin": True, "caller": [], **fields})


def test_every_key_of_the_daemon_has_words() -> None:
    assert set(ISOLATION) == set(get_args(DaemonConfig.model_fields["isolation"].annotation))
    assert set(LACKING) == set(get_args(Lacking))
    assert set(DISK) == set(get_args(DiskBound))


@pytest.mark.parametrize(
    ("word", "fields", "words"),
    [
        ("strict", {"disk": "quota"}, f"{ISOLATION['strict']}; {DISK['quota']}"),
        (
            "strict",
            {"lacking": ["cgroups", "seccomp"], "disk": "watch"},
            f"{ISOLATION['strict']}; {LACKING['cgroups']}; {LACKING['seccomp']}; {DISK['watch']}",
        ),
        ("strict", {}, ISOLATION["strict"]),
        ("process", {}, "process"),
        (None, {}, None),
    ],
)
def test_words_say_what_is_lacking(word: str | None, fields: dict[str, object], words: str | None) -> None:
    """A tenant that was started under another isolation than the one in force has its word alone."""
    assert isolation_words(word, info(**fields)) == words
