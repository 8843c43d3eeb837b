"""The part that all peers' scripts share; they run in environments of their own and know nothing of vecward.

A script is asked in JSON lines on standard input and answers in JSON lines on its first standard output; whatever its
libraries print goes to standard error.
"""

import json
import os
import sys
import time
from pathlib import Path


def serve(peer):
    """Answers `{"do": name, …}` with what `peer.do_name(…)` returns, until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        answer = getattr(peer, f"do_{asked.pop('do')}")(**asked)
        print(json.dumps(answer), file=answers, flush=True)


def read_texts(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))


def timed(function, argument):
    """Seconds of one call."""
    began = time.perf_counter()
    function(argument)
    return time.perf_counter() - began


def one_after_the_other(function, texts, seconds):
    """Milliseconds of each call, for about `seconds`."""
    end = time.perf_counter() + seconds
    times = []
    for text in texts:
        times.append(timed(function, text) * 1000)
        if time.perf_counter() > end:
            break
    return {"ms": times, "per_s": len(times) * 1000 / sum(times)}


def in_batches(function, texts, size, seconds):
    """Texts a second of a library that is given what `size` clients would wait for."""
    began = time.perf_counter()
    done = 0
    while done < len(texts) and time.perf_counter() - began < seconds:
        part = texts[done : done + size]
        function(part)
        done += len(part)
    return {"per_s": done / (time.perf_counter() - began)}
