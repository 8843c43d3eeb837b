"""Fixtures of the unit tests."""

from tests.support.cli import vecward

__all__ = ["vecward"]
