"""Units, memory of processes, and characters that are made visible."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import psutil
import pytest

from daemon.core.files import plain_json
from daemon.core.process_memory import resident_mb
from daemon.core.units import MIB, counted, mib
from daemon.core.unsafe_text import escape, escape_json

UNSAFE = "\x00\n\x1b\x7f\x85\x9b\u061c\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069\ufeff\udfff\ud800"
SAFE = "aé苹果 \u200d\u200c👩\u200d💻"


def test_mib() -> None:
    assert (mib(MIB), mib(1_572_864), mib(123_456_789, 2), mib(0)) == (1.0, 1.5, 117.74, 0.0)


@pytest.mark.parametrize(("number", "words"), [(0, "0 entries"), (1, "1 entry"), (2, "2 entries")])
def test_one_or_many(number: int, words: str) -> None:
    assert counted(number, "entry", "entries") == words
    assert counted(number, "file") == ("1 file" if number == 1 else f"{number} files")


def test_memory_is_what_the_kernel_tells_others_too() -> None:
    held = bytearray(64 * MIB)
    held[:: os.sysconf("SC_PAGE_SIZE")] = b"x" * (len(held) // os.sysconf("SC_PAGE_SIZE"))
    ours = resident_mb()
    assert ours is not None
    assert ours > 64
    assert ours == pytest.approx(psutil.Process().memory_info().rss / MIB, rel=0.05)
    assert resident_mb(os.getpid()) == pytest.approx(ours, rel=0.05)


def test_a_process_that_has_ended_has_no_memory() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert resident_mb(child.pid) is None, "ended, and not waited for"
    child.wait()
    assert resident_mb(child.pid) is None


def test_text_keeps_what_is_safe_and_shows_the_rest() -> None:
    assert escape(SAFE) == SAFE
    shown = escape(UNSAFE)
    assert shown.startswith("\\x00\\n\\x1b\\x7f\\x85\\x9b\\u061c\\u200e")
    assert shown.isascii()
    assert shown.isprintable()


def test_json_means_the_same_and_shows_the_rest() -> None:
    raw = json.dumps([UNSAFE, SAFE], ensure_ascii=False)
    assert json.loads(escape_json(raw)) == [UNSAFE, SAFE]
    assert not set(escape_json(raw)) & set(UNSAFE)
    assert SAFE in plain_json.dumps({"text": SAFE})
    assert "\\u009b" in plain_json.dumps("\x9b")
