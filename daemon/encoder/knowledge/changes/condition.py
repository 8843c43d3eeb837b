"""The condition `If-Match`: a change is made only if the base still has the revision that the caller saw."""

from __future__ import annotations

from daemon.core.errors import RevisionChanged


def require_revision(what: str, if_match: int | None, revision: int) -> None:
    """Check the condition, if there is one. Raises RevisionChanged: "cannot `what`: …"."""
    if if_match not in (None, revision):
        raise RevisionChanged(
            f"cannot {what}: the revision of the knowledge base is {revision}, not {if_match} any more; "
            f"look at it again, then try again",
            revision=revision,
        )
