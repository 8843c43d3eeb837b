"""The commands `vecward entries …`: the knowledge base from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli import texts
from daemon.cli.difference import show_difference
from daemon.cli.output import clean, complain, confirm, line, metadata_words, note, print_json, table, warn
from daemon.cli.settings import IfMatch, Json, TenantName, settings
from daemon.core.units import counted

if TYPE_CHECKING:
    from daemon.core.wire import Change, Refused

app = typer.Typer(name="entries", help="Read and change a tenant's knowledge base.", no_args_is_help=True)

EntryId = Annotated[int, typer.Argument(metavar="ID", help="The entry's id.", show_default=False)]
Meta = Annotated[
    list[str] | None, typer.Option("--meta", metavar="KEY=VALUE", help="Metadata; may be given many times.")
]
Source = Annotated[str, typer.Argument(metavar="FILE", help="A file, or - for standard input.", show_default=False)]


@app.command("list")
def list_entries(
    ctx: typer.Context,
    tenant: TenantName,
    after: Annotated[int | None, typer.Option(metavar="ID", help="Entries after this id.")] = None,
    limit: Annotated[int | None, typer.Option(help="How many at most.")] = None,
    q: Annotated[str | None, typer.Option("-q", "--q", help="Entries that contain this text.")] = None,
    as_json: Json = False,
) -> None:
    """List entries by id."""
    with settings(ctx).client() as client:
        page = client.entries(tenant, after, limit, None if q is None else texts.checked(q))
    if as_json:
        print_json(page)
        return
    table(("id", "text", "metadata"), [(e.id, e.text, metadata_words(e.metadata)) for e in page.entries], right=("id",))
    more = "" if page.next is None else f"; more with --after {page.next}"
    note(f"{len(page.entries)} of {_entries(page.total)}, revision {page.revision}{more}")


@app.command()
def add(
    ctx: typer.Context,
    tenant: TenantName,
    entry: Annotated[list[str] | None, typer.Argument(metavar="TEXT…", show_default=False)] = None,
    file: Annotated[str | None, typer.Option("--file", help="A file with an entry a line, or - for stdin.")] = None,
    meta: Meta = None,
    if_match: IfMatch = None,
    as_json: Json = False,
) -> None:
    """Add entries; what cannot be added is named, and the rest is added."""
    lines = {} if file is None else texts.read_lines(file)
    wanted = [*(entry or []), *lines.values()]
    if not wanted:
        raise typer.BadParameter("say at least one text, or --file", param_hint="TEXT…, --file")
    with settings(ctx).client() as client:
        added = client.add(tenant, texts.new_entries(wanted, texts.metadata(meta)), if_match)
    if as_json:
        print_json(added)
    else:
        line(
            f"added {_entries(len(added.added))}: {', '.join(map(str, added.added)) or '–'}; revision {added.revision}"
        )
    warn(added.warnings)
    end_if_refused(added.refused, [*range(1, len(entry or []) + 1), *lines])


@app.command("set")
def set_texts(
    ctx: typer.Context,
    tenant: TenantName,
    file: Source,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the difference, change nothing.")] = False,
    if_match: IfMatch = None,
    as_json: Json = False,
) -> None:
    """Make the base this list, an entry a line: shows the difference, asks, then changes what differs."""
    lines = texts.read_lines(file)
    wanted = list(lines.values())
    with settings(ctx).client() as client:
        plan = client.set_texts(tenant, wanted, if_match, dry_run=True)
        show_difference(client, tenant, wanted, plan)
        if not dry_run and (plan.added or plan.removed):
            if not yes:
                confirm(f"Change the knowledge base of {clean(tenant)}?")
            # What was shown is what is done: not on top of a change that came in between.
            plan = client.set_texts(tenant, wanted, plan.revision)
    if as_json:
        print_json(plan)
    elif not dry_run:
        line(f"added {plan.added}, removed {plan.removed}, unchanged {plan.unchanged}; revision {plan.revision}")
    warn(plan.warnings)
    end_if_refused(plan.refused, list(lines))


@app.command()
def edit(
    ctx: typer.Context,
    tenant: TenantName,
    entry: EntryId,
    text: Annotated[str | None, typer.Argument(help="The new text.", show_default=False)] = None,
    meta: Meta = None,
    if_match: IfMatch = None,
    as_json: Json = False,
) -> None:
    """Change an entry's text, its metadata (replaced as a whole), or both."""
    if text is None and meta is None:
        raise typer.BadParameter("say a new text, --meta, or both", param_hint="TEXT, --meta")
    metadata = None if meta is None else texts.metadata(meta)
    with settings(ctx).client() as client:
        edited = client.edit(tenant, entry, None if text is None else texts.checked(text), metadata, if_match)
    if as_json:
        print_json(edited)
    else:
        line(f"{edited.id}  {clean(edited.text)}  {metadata_words(edited.metadata)}".rstrip())
    warn(edited.warnings)


@app.command()
def delete(
    ctx: typer.Context,
    tenant: TenantName,
    ids: Annotated[list[int], typer.Argument(metavar="ID…", show_default=False)],
    forget: Annotated[bool, typer.Option("--forget", help="Out of the history too: cannot be undone.")] = False,
    if_match: IfMatch = None,
    as_json: Json = False,
) -> None:
    """Delete entries."""
    with settings(ctx).client() as client:
        deleted = client.delete(tenant, ids, forget, if_match)
    if as_json:
        print_json(deleted)
    else:
        line(f"deleted {_entries(len(deleted.deleted))}; revision {deleted.revision}")
    if deleted.unknown:
        complain("unknown-entry", f"cannot find {_named(deleted.unknown)}")
        raise typer.Exit(1)


@app.command()
def history(
    ctx: typer.Context,
    tenant: TenantName,
    after: Annotated[int | None, typer.Option(help="The page after this one.")] = None,
    limit: Annotated[int | None, typer.Option(help="How many at most.")] = None,
    as_json: Json = False,
) -> None:
    """List the changes of the base, newest first."""
    with settings(ctx).client() as client:
        page = client.history(tenant, after, limit)
    if as_json:
        print_json(page)
        return
    columns = ("revision", "at", "by", "change", "added", "removed", "edited", "")
    table(columns, map(_change_row, page.changes), right=("revision", "added", "removed", "edited"))
    if page.next is not None:
        note(f"more with --after {page.next}")


@app.command()
def undo(ctx: typer.Context, tenant: TenantName, if_match: IfMatch = None, as_json: Json = False) -> None:
    """Take the last change back."""
    with settings(ctx).client() as client:
        change = client.undo(tenant, if_match)
    if as_json:
        print_json(change)
    else:
        line(f"added {change.added}, removed {change.removed}, edited {change.edited}; revision {change.revision}")


def end_if_refused(refused: list[Refused], numbers: list[int]) -> None:
    """Name each refused line by its number in the file; the exit code is 1, although the rest was done."""
    for one in refused:
        complain(one.kind, f"line {numbers[one.line - 1]}: {one.reason}")
    if refused:
        raise typer.Exit(1)


def _named(ids: list[int]) -> str:
    return f"{'entry' if len(ids) == 1 else 'entries'} {', '.join(map(str, ids))}"


def _change_row(change: Change) -> tuple[object, ...]:
    at = change.at.isoformat(sep=" ", timespec="seconds")
    undone = "undone" if change.undone else ""
    return (change.revision, at, change.actor, change.kind, change.added, change.removed, change.edited, undone)


def _entries(number: int) -> str:
    return counted(number, "entry", "entries")
