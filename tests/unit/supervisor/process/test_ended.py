"""The end of a process in numbers and in words; a tenant's code chooses the number."""

from __future__ import annotations

import pytest

from daemon.supervisor.process.ended import Ended


@pytest.mark.parametrize(
    ("code", "sandboxed", "words"),
    [
        (0, False, "exited with code 0"),
        (0, True, "exited with code 0"),
        (78, True, "exited with code 78"),
        (-9, False, "ended by SIGKILL"),
        (137, True, "ended by SIGKILL"),
        (137, False, "exited with code 137"),
        (128, True, "exited with code 128"),
        (163, True, "ended by signal 35"),
        (-35, False, "ended by signal 35"),
        (255, True, "exited with code 255"),
    ],
)
def test_how_a_process_ended(code: int, sandboxed: bool, words: str) -> None:
    assert Ended.of(code, sandboxed=sandboxed, out_of_memory=None).words == words


@pytest.mark.parametrize("code", range(-64, 256))
def test_no_code_is_beyond_words(code: int) -> None:
    for sandboxed in (False, True):
        ended = Ended.of(code, sandboxed=sandboxed, out_of_memory=None)
        assert (ended.exit_code is None) is (ended.signal_name is not None)


def test_the_kernels_word_comes_first() -> None:
    ended = Ended.of(-9, sandboxed=True, out_of_memory="limits.memory_mb")
    assert ended.words == "was ended by the kernel, out of memory: limits.memory_mb"
