"""An editor's work in the text field: the saved entries it began with, and drafts of other tenants."""

from __future__ import annotations

from dataclasses import dataclass, field

from console.view_models.lines import MAX_LINES, typed_lines
from daemon.client import AsyncClient
from daemon.core import wire


@dataclass(frozen=True)
class Loaded:
    """The saved entries that the text field was filled from."""

    tenant: str
    revision: int
    base: tuple[str, ...]
    min_chars: int

    @property
    def text(self) -> str:
        return "\n".join(self.base)


@dataclass(frozen=True)
class LinesState:
    """An editor's work on one page, kept by Gradio between calls.

    `previewed` is the text whose difference was shown last, or None. `drafts` keeps what was typed for other tenants
    and not saved.
    """

    loaded: Loaded | None = None
    previewed: str | None = None
    drafts: dict[str, tuple[str, Loaded]] = field(default_factory=dict)


def keep_draft(state: LinesState, typed: str) -> LinesState:
    """Leave the present tenant; text that was not saved is kept for when the editor comes back."""
    loaded = state.loaded
    if loaded is None:
        return state
    drafts = {name: draft for name, draft in state.drafts.items() if name != loaded.tenant}
    if unsaved(typed, loaded):
        drafts[loaded.tenant] = (typed, loaded)
    return LinesState(drafts=drafts)


def unsaved(typed: str, loaded: Loaded) -> bool:
    """Tell if the text differs from what was loaded by more than blank lines and spaces."""
    return typed_lines(typed).texts != typed_lines(loaded.text).texts


async def load(client: AsyncClient, view: wire.TenantView) -> Loaded:
    """Read the saved entries of a tenant."""
    page = await client.entries(view.name, limit=MAX_LINES)
    return Loaded(view.name, page.revision, tuple(entry.text for entry in page.entries), view.min_chars)
