"""The in-memory client against the real one: the same calls, with the same signatures."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import console
from daemon.client import AsyncClient
from tests.support.console.fake_client import FakeClient


def _calls(client: type) -> set[str]:
    return {name for name, one in inspect.getmembers(client, inspect.isfunction) if not name.startswith("_")}


def _calls_of_the_console() -> set[str]:
    """List what the console's code asks of a `client`."""
    trees = [ast.parse(path.read_text()) for path in Path(console.__file__).parent.rglob("*.py")]
    attributes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return {one.attr for one in attributes if isinstance(one.value, ast.Name) and one.value.id == "client"}


def test_each_call_of_the_console_can_be_answered() -> None:
    assert len(_calls_of_the_console()) > 15
    assert _calls_of_the_console() <= _calls(FakeClient)


@pytest.mark.parametrize("name", sorted(_calls(FakeClient)))
def test_a_call_has_the_real_ones_signature(name: str) -> None:
    real, fake = getattr(AsyncClient, name), getattr(FakeClient, name)
    assert inspect.signature(fake, eval_str=True) == inspect.signature(real, eval_str=True)
    assert inspect.isasyncgenfunction(fake) == inspect.isasyncgenfunction(real)
