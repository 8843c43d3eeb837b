"""The command `vecward doctor`: the host's shortcomings in words, each with the way out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from daemon.cli.output import clean, line, note, print_json, table
from daemon.cli.settings import Json, settings


def doctor(
    ctx: typer.Context,
    attack: Annotated[
        bool, typer.Option("--attack", help="Try to break out of a tenant's sandbox instead; needs root.")
    ] = False,
    gpu: Annotated[
        bool,
        typer.Option("--gpu", help="Prove this host's first GPU instead, in ten minutes; it must be free."),
    ] = False,
    model: Annotated[
        Path | None, typer.Option(help="With --gpu: the folder of real weights, instead of random ones.", exists=True)
    ] = None,
    report: Annotated[Path | None, typer.Option(help="With --gpu: a file for the rows, a line of JSON each.")] = None,
    part: Annotated[
        list[str] | None, typer.Option(help="With --gpu: speed, supervision or large alone; may be repeated.")
    ] = None,
    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="With --gpu: try the run itself on the processor, with a small model.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check this host and this installation; exit code 1 when something has to be done."""
    if gpu:
        _gpu(model, report, part, as_json, rehearsed=rehearse)
        return
    if attack:
        _attack(settings(ctx).root, as_json)
        return
    from daemon.cli.doctor_checks import Verdict, all_checks

    found = all_checks(settings(ctx))
    failed = any(check.verdict is Verdict.FAIL for check in found)
    if as_json:
        print_json({"ok": not failed, "checks": [asdict(check) for check in found]})
    else:
        for check in found:
            way_out = f"; {check.way_out}" if check.way_out else ""
            line(f"{check.verdict:<4}  {check.name}: {clean(check.words + way_out)}")
    if failed:
        raise typer.Exit(1)


def _gpu(model: Path | None, path: Path | None, parts: list[str] | None, as_json: bool, *, rehearsed: bool) -> None:
    """Exit code 1 when a row failed; what this host can't prove is told and is no failure."""
    from daemon.cli.acceptance import run
    from daemon.cli.acceptance.report import Report

    if unknown := set(parts or ()) - set(run.PARTS):
        raise typer.BadParameter(f"cannot run {', '.join(sorted(unknown))}: allowed are {', '.join(run.PARTS)}")
    report = Report(path, lambda row: None if as_json else line(f"{row.verdict:<17}  {row.name}: {clean(row.words)}"))
    if rehearsed:
        run.rehearse(report)
    else:
        run.accept(report, model, parts or run.PARTS)
    if as_json:
        print_json({"ok": not report.failed, "rows": [asdict(row) for row in report.rows]})
    if report.failed:
        raise typer.Exit(1)


def _attack(root: Path | None, as_json: bool) -> None:
    """Play the attacks; the exit code is 1 when one succeeded. An attack that proves nothing here is no failure."""
    from daemon.cli.attacks.run import run_attacks

    rows = run_attacks(root)
    broken = sum(row.verdict == "broken" for row in rows)
    if as_json:
        print_json({"ok": not broken, "attacks": [asdict(row) for row in rows]})
    else:
        table(
            ("attack", "tries to", "verdict", "because"),
            [(row.name, row.tries, row.verdict, row.words) for row in rows],
        )
        unproven = sum(row.verdict == "unproven" for row in rows)
        note(f"{len(rows)} attacks, {broken} broken; {unproven} unproven, failing here without protection, too")
    if broken:
        raise typer.Exit(1)
