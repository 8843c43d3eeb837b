"""Fixtures of the unit tests."""

from tests.unit.cli_support import vecward

__all__ = ["vecward"]
