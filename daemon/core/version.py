"""The version of vecward that runs."""

from __future__ import annotations

from functools import cache


@cache
def version() -> str:
    """Return the version of the installed package, "unknown" where it runs from a folder that nobody installed."""
    from importlib import metadata  # takes longer to import than an encoder can spare at its start

    try:
        return metadata.version("vecward")
    except metadata.PackageNotFoundError:
        return "unknown"
