"""The commands `vecward tenant …`: list, create, plan, delete, and check a file without a daemon."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli import texts
from daemon.cli.output import clean, duration, line, note, print_json, table
from daemon.cli.settings import Json, TenantName, settings
from daemon.cli.status import all_tenants, show_warnings

if TYPE_CHECKING:
    from daemon.core.encoder_protocol.reembed import Plan
    from daemon.core.errors import InvalidConfig

app = typer.Typer(name="tenant", help="Tenants: list, create, delete, check.", no_args_is_help=True)


@app.command("list")
def list_tenants(ctx: typer.Context, as_json: Json = False) -> None:
    """List the tenants that you may search."""
    with settings(ctx).client() as client:
        page = all_tenants(client)
    if as_json:
        print_json(page)
        return
    columns = ("tenant", "title", "title (zh)", "state", "your role")
    table(columns, [(t.name, t.title.en, t.title.zh, t.state, t.role) for t in page.tenants])
    show_warnings(page.tenants)


@app.command()
def create(
    ctx: typer.Context,
    tenant: TenantName,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Its YAML, or - for stdin.", show_default=False)],
    adopt: Annotated[bool, typer.Option("--adopt", help="Take over data that a deleted tenant left.")] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="With another model: answer nothing until all entries are encoded.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Create a tenant from a YAML file, or change the one that has this name."""
    with settings(ctx).client() as client:
        made = client.put_tenant(tenant, texts.read_bytes(file), adopt, offline)
    if as_json:
        print_json(made)
    else:
        line(f"{clean(made.name)}: {clean(made.state)}")
        for warning in made.warnings.values():
            line(f"{clean(made.name)}: {clean(warning)}")


@app.command()
def plan(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A tenant's changed YAML.", show_default=False)],
    tenant: Annotated[str | None, typer.Option(help="Its tenant, if the file is not named after it.")] = None,
    as_json: Json = False,
) -> None:
    """Say what a changed file would do: restart, re-embed, for how long. Changes nothing; may load the new model."""
    name = tenant or Path(file).stem
    with settings(ctx).client() as client:
        found = client.plan_tenant(name, texts.read_bytes(file))
    if as_json:
        print_json(found)
    else:
        _show_plan(found)


def _show_plan(found: Plan) -> None:
    line(f"{clean(found.tenant)}: {found.action}{', its encoder restarts' if found.restart else ''}")
    table(("field", "before", "after", "effect"), [(c.field, c.before, c.after, c.effect) for c in found.changes])
    for words in (*_about_model(found), *found.notes):
        line(clean(words))


def _about_model(found: Plan) -> list[str]:
    loaded = found.loaded
    if loaded is None:
        return []
    words = [f"new model: {loaded.fingerprint}, on {loaded.device}, {loaded.memory_mb:,.0f} MiB of memory"]
    if loaded.gpu_memory_mb is not None:
        words.append(f"GPU memory: {loaded.gpu_memory_mb:,.0f} MiB")
    if found.reembed:
        takes = "" if found.estimated_s is None else f", about {duration(found.estimated_s)}"
        entries = f"{loaded.missing:,} of {loaded.entries:,} {'entry' if loaded.entries == 1 else 'entries'}"
        are = "is" if loaded.missing == 1 else "are"
        words.append(f"{entries} {are} encoded{takes}; {found.disk_mb} MiB more on the disk")
    if found.online is not None:
        words.append(
            "searches go on with the old vectors meanwhile" if found.online else "searches are not answered meanwhile"
        )
    if found.obstacle is not None:
        words.append(f"refused as it is: {found.obstacle}")
    return words


@app.command()
def delete(
    ctx: typer.Context,
    tenant: TenantName,
    purge: Annotated[bool, typer.Option("--purge", help="Destroy its data too: cannot be undone.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for the name again.")] = False,
    as_json: Json = False,
) -> None:
    """Delete a tenant; its data is kept unless --purge is given."""
    if purge and not yes:
        _ask_for_name(tenant)
    with settings(ctx).client() as client:
        client.delete_tenant(tenant, tenant if purge else None)
    if as_json:
        print_json({"deleted": tenant, "purged": purge})
    else:
        line(f"{clean(tenant)}: deleted, {'and its data is destroyed' if purge else 'its data is kept'}")


def _ask_for_name(tenant: str) -> None:
    if not sys.stdin.isatty():
        raise typer.BadParameter("cannot ask here: standard input is no terminal; say --yes", param_hint="--purge")
    typed = typer.prompt(f"This destroys all data of {clean(tenant)}. Type its name to go on", err=True)
    if typed != tenant:
        note("nothing was changed")
        raise typer.Exit(1)


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", show_default=False)],
    as_json: Json = False,
) -> None:
    """Check tenants' YAML files, without a daemon: prints file:line: field: problem."""
    from daemon.core.config.tenant_files import check_files

    checked = check_files(files)
    if as_json:
        print_json({"files": [_verdict(one.path, one.error) for one in checked]})
    else:
        for one in checked:
            line(f"{clean(one.path)}: good" if one.error is None else _problem_line(one.path, one.error))
    if any(one.error for one in checked):
        raise typer.Exit(1)


def _problem_line(path: Path, error: InvalidConfig) -> str:
    """Return "file:line: field: problem; allowed: …", which editors can jump to."""
    found = error.details
    words = f"{found['field']}: {found['problem']}; allowed: {found['allowed']}"
    return f"{clean(path)}:{found['line']}: {clean(words)}"


def _verdict(path: Path, error: InvalidConfig | None) -> dict[str, Any]:
    if error is None:
        return {"file": str(path), "ok": True}
    return {**error.details, "file": str(path), "ok": False, "kind": error.kind, "detail": error.message}
