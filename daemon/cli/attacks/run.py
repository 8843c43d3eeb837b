"""The engine of `vecward doctor --attack`: plays the attacks one after the other, and judges the outcomes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from daemon.cli.attacks.stage import Outcome, Stage
from daemon.cli.attacks.table import ATTACKS, Attack, Place
from daemon.core.config.daemon_config import load_config
from daemon.core.errors import StartRefused
from daemon.core.paths import Paths

Verdict = Literal["held", "broken", "unproven"]


@dataclass(frozen=True)
class Row:
    """One attack and its verdict.

    held: refused wherever it must be, and possible without the protection. broken: it succeeded. unproven: on this
    host it fails without the protection, too, so that its refusal says nothing.
    """

    name: str
    tries: str
    verdict: Verdict
    words: str


def run_attacks(root: Path | None = None) -> list[Row]:
    """Attack a tenant made for it, and the installation at `root` with it; changes nothing of the latter.

    Raises StartRefused when this host or this user can't have strict isolation, InternalError when the stage breaks.
    """
    if os.geteuid() != 0:
        raise StartRefused("cannot play attacks: that needs root, as strict isolation does; run it with sudo")
    paths = Paths.choose(root)
    first, last = load_config(paths.daemon_yaml).uid_range
    attacks = [attack for attack in ATTACKS if not attack.exhausts]
    with Stage(paths, (first, last)) as stage:
        return judge(attacks, *play(stage, attacks))


def play(stage: Stage, attacks: Sequence[Attack]) -> tuple[dict[str, Outcome], dict[str, Outcome], dict[str, Outcome]]:
    """Play the attacks; return their outcomes by name: in the sandbox, outside where they must fail, as control."""
    inside = _by_name(stage.play(Place.SANDBOX, [attack.name for attack in attacks]))
    outside = _by_name(stage.play(Place.OUTSIDE, [attack.name for attack in attacks if attack.outside]))
    controls: dict[str, Outcome] = {}
    for place in (Place.ROOT, Place.OUTSIDE):
        controls |= _by_name(stage.play(place, [attack.name for attack in attacks if attack.control is place]))
    return inside, outside, controls


def judge(
    attacks: Iterable[Attack], inside: dict[str, Outcome], outside: dict[str, Outcome], controls: dict[str, Outcome]
) -> list[Row]:
    """Judge each attack by its outcomes."""
    rows = []
    for attack in attacks:
        tried = [found[attack.name] for found in (inside, outside) if attack.name in found]
        verdict, words = _verdict(tried, controls[attack.name])
        rows.append(Row(attack.name, attack.tries, verdict, words))
    return rows


def _verdict(tried: list[Outcome], control: Outcome) -> tuple[Verdict, str]:
    for outcome in tried:
        if outcome.reached:
            return "broken", outcome.words
    for outcome in (*tried, control):
        if outcome.reached is None:
            return "unproven", outcome.words
    if not control.reached:
        return "unproven", f"refused even without the protection: {control.words}"
    return "held", tried[0].words


def _by_name(outcomes: list[Outcome]) -> dict[str, Outcome]:
    return {outcome.name: outcome for outcome in outcomes}
