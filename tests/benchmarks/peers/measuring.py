"""The measurements, in rounds that run the sides in turn, and the goals that they are judged by."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.peers.sides import Side

MANY, FEW = 32, 8
_EDITS = 10
_INDEXING_PEERS = ("txtai", "chroma", "infinity")


@dataclass
class Figures:
    """`values[metric][side]` holds one figure a round; `times` every request's milliseconds."""

    values: dict[str, dict[str, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    times: dict[str, dict[str, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))

    def add(self, metric: str, side: str, answer: dict[str, Any]) -> None:
        self.values[metric][side].append(answer["per_s"] if "per_s" in answer else median(answer["ms"]))
        self.times[metric][side].extend(answer.get("ms", []))

    def of(self, metric: str, side: str) -> float | None:
        found = self.values.get(metric, {}).get(side)
        return median(found) if found else None

    def percentile(self, metric: str, side: str, share: float) -> float | None:
        times = sorted(self.times.get(metric, {}).get(side, ()))
        return times[min(len(times) - 1, int(share * len(times)))] if times else None


@dataclass(frozen=True)
class Task:
    """The texts of one run. `file` is where children read them; `queries` are in no base."""

    file: Path
    texts: list[str]
    queries: list[str]
    seconds: float
    rounds: int


class Measuring:
    def __init__(self, sides: Sequence[Side], task: Task) -> None:
        self.figures = Figures()
        self._sides = {side.name: side for side in sides}
        self._task = task

    def run(self) -> Figures:
        self._index(list(self._sides))
        self._warm_up()
        for number in range(self._task.rounds):
            self._round(number)
        self._edits()
        self._index([name for name in reversed(self._sides) if name in ("vecward", "plain")], " again")
        if "plain" in self._sides:  # last, for it takes as long as indexing all
            self._ask("plain", "edit", "edit", as_side="tutorial", texts=[self._edited("tutorial", 0)])
        return self.figures

    def edit_in(self, metric: str) -> None:
        """Time edits of vecward's base as it is, and beside them the encoding of such a text."""
        for number in range(self._task.rounds):
            texts = [self._edited(metric, number * _EDITS + at) for at in range(_EDITS)]
            self._ask("vecward", metric, "edit", texts=texts)
            self._ask("plain", metric, "encode_one", as_side="one encode", texts=texts)

    def _index(self, names: list[str], suffix: str = "") -> None:
        """Time indexing on these sides. A suffix makes the texts new: vecward keeps vectors of removed ones."""
        self._task.file.write_text(json.dumps([text + suffix for text in self._task.texts]))
        for name in names:
            self._ask(name, "index", "index", texts=str(self._task.file))

    def _warm_up(self) -> None:
        for side in self._sides.values():
            side.ask("one_client", texts=self._task.queries, seconds=min(2.0, self._task.seconds))

    def _round(self, number: int) -> None:
        for name in self._sides if number % 2 == 0 else reversed(self._sides):
            searching = {"texts": self._task.queries, "seconds": self._task.seconds}
            self._ask(name, "one client", "one_client", **searching)
            self._ask(name, f"{MANY} clients", "together", clients=MANY, **searching)
            if name in ("vecward", "infinity"):  # the others have no clients: one call answers all
                self._ask(name, f"{FEW} clients", "together", clients=FEW, **searching)
            if name == "plain":
                self._ask(name, "bulk", "bulk", texts=self._task.queries)

    def _edits(self) -> None:
        for number in range(self._task.rounds):
            texts = [self._edited("edit", number * _EDITS + at) for at in range(_EDITS)]
            for name in self._sides:
                if name == "plain":
                    self._ask(name, "edit", "encode_one", as_side="one encode", texts=texts)
                elif name != "infinity":  # it keeps no texts
                    self._ask(name, "edit", "edit", texts=texts)

    def _edited(self, what: str, number: int) -> str:
        """A text as long as those around it, and equal to none."""
        return f"{self._task.queries[number % len(self._task.queries)]} ({what} {number})"

    def _ask(self, name: str, metric: str, do: str, as_side: str | None = None, **arguments: Any) -> None:
        answer = self._sides[name].ask(do, **arguments)
        if do in ("edit", "encode_one"):
            answer.pop("per_s", None)
        self.figures.add(metric, as_side or name, answer)
        print(f"{metric}, {as_side or name}: {self.figures.values[metric][as_side or name][-1]:.1f}", file=sys.stderr)


@dataclass(frozen=True)
class Goal:
    """One figure, `measured`, and its `bound`, which is a least or a most."""

    words: str
    measured: float
    bound: float
    at_least: bool = True

    @property
    def reached(self) -> bool:
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound


def goals(figures: Figures) -> list[Goal]:
    """The goals that the sides of this run can be judged by."""
    bulk = figures.of("bulk", "plain")
    many = figures.of(f"{MANY} clients", "vecward")
    index = figures.of("index", "vecward")
    found = [
        _goal("1 client, of in-process", figures.of("one client", "vecward"), figures.of("one client", "plain"), 0.85),
        _goal(f"{MANY} clients, of in-process bulk (aim 0.9)", many, bulk, 0.7),
        _goal(f"{MANY} clients, of infinity-emb", many, figures.of(f"{MANY} clients", "infinity"), 2),
        _goal("indexing, of in-process bulk", index, figures.of("index", "plain"), 0.92),
        *(_goal(f"indexing, of {peer}", index, figures.of("index", peer), 1) for peer in _INDEXING_PEERS),
        *(_edit_goal(figures, metric) for metric in figures.values if metric.startswith("edit")),
        _goal(
            f"p99 at {FEW} clients, of p50",
            figures.percentile(f"{FEW} clients", "vecward", 0.99),
            figures.percentile(f"{FEW} clients", "vecward", 0.5),
            3,
            at_least=False,
        ),
    ]
    return [goal for goal in found if goal is not None]


def _edit_goal(figures: Figures, metric: str) -> Goal | None:
    return _goal(
        f"{metric}, of one encode", figures.of(metric, "vecward"), figures.of(metric, "one encode"), 2, at_least=False
    )


def _goal(words: str, ours: float | None, theirs: float | None, bound: float, *, at_least: bool = True) -> Goal | None:
    return None if ours is None or theirs is None else Goal(words, ours / theirs, bound, at_least)


def as_document(figures: Figures, about: dict[str, Any]) -> dict[str, Any]:
    """The document that --json keeps and the plot is drawn from: medians, rounds, goals."""
    medians = {metric: {side: median(rounds) for side, rounds in by.items()} for metric, by in figures.values.items()}
    judged = [{**vars(goal), "reached": goal.reached} for goal in goals(figures)]
    return {"about": about, "medians": medians, "rounds": json.loads(json.dumps(figures.values)), "goals": judged}
