"""Notices, warnings and errors."""

from __future__ import annotations

from console.components import notices
from console.messages import words
from daemon.core import errors
from tests.support.console.html import Reader


def test_a_problem_is_told_in_the_readers_language_and_in_the_daemons_words() -> None:
    read = Reader(notices.problem(errors.QueueFull("cannot search: 256 wait already"), words("zh")))
    assert "请求过多" in read.text
    assert "256 wait already" in read.text
    assert ("href", "/signin") in Reader(notices.problem(errors.Unauthenticated("x"), words("en"))).attributes


def test_a_warning_is_told_in_the_readers_language_and_in_the_daemons_words() -> None:
    read = Reader(notices.warning("memory_mb", "memory: 192 MB, over the limit", words("zh")))
    assert "内存使用超出限制" in read.text
    assert "192 MB" in read.text
    assert "new and unknown" in Reader(notices.warning("of-a-newer-daemon", "new and unknown", words("zh"))).text
