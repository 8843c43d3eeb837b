"""`vecward doctor`: what this host has and lacks, in words, each with the way out."""

from __future__ import annotations

from dataclasses import asdict

import typer

from daemon.cli.output import clean, line, print_json
from daemon.cli.settings import Json, settings


def doctor(ctx: typer.Context, as_json: Json = False) -> None:
    """Check this host and this installation; exit code 1 when something has to be done."""
    from daemon.cli.checks import Verdict, all_checks

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
