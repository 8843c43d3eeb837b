"""The tests themselves: each one can fail, and none sleeps or times the machine that it runs on."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
FILES = sorted(TESTS.rglob("test_*.py"))
Function = ast.FunctionDef | ast.AsyncFunctionDef

# What a call is named that fails where something is not as it should be: ours, pytest's, NumPy's, Playwright's.
EXPECTS = re.compile(r"(assert|check|expect|refus|raises|warns|fail|wait_for|until)(_|$)|to_(have|be|contain)_")
CLOCKS = re.compile(r"\btime\.(monotonic|perf_counter|time)(_ns)?\(\)|\bmonotonic(_ns)?\(\)")
SLEEPS = re.compile(r"(time\.sleep|asyncio\.sleep|(\w+\.)?Event\(\)\.wait)\((?!0\)|0,|\))")

# Where waiting a while is what is tested or what a probe consists of, with the reason.
MAY_SLEEP = {
    "isolation/test_hostile_encoder.py": "lets an evil encoder do its worst for a while",
    "unit/api/connections/test_streams.py": "a sleep that is cancelled at once stands for a handler",
}


def functions(tree: ast.AST) -> Iterator[Function]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def names_called(function: ast.AST) -> set[str]:
    called = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
    return {func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "") for func in called}


def expects(function: Function) -> bool:
    """True if it holds an assertion, or calls what is named like one."""
    return any(isinstance(node, ast.Assert) for node in ast.walk(function)) or any(
        map(EXPECTS.search, names_called(function))
    )


def without_expectation(tree: ast.Module) -> list[str]:
    """Tests that neither expect anything themselves nor call a function of their file that does."""
    known = {function.name for function in functions(tree) if expects(function)}
    tests = [function for function in functions(tree) if function.name.startswith("test_")]
    return [test.name for test in tests if test.name not in known and not names_called(test) & known]


def upper_bounds(tree: ast.Module) -> list[int]:
    """Lines that fail on a slow machine: an assertion that so much time at most has passed."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert)
        and isinstance(test := node.test, ast.Compare)
        and isinstance(test.ops[0], ast.Lt | ast.LtE)
        and isinstance(test.left, ast.BinOp)
        and CLOCKS.search(ast.unparse(test.left))
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(TESTS)))
def test_each_test_can_fail_and_none_times_the_machine(file: Path) -> None:
    tree = ast.parse(file.read_text())
    assert without_expectation(tree) == [], "tests that expect nothing"
    assert upper_bounds(tree) == [], "lines that fail on a slow machine: wait for the event, or use a clock of your own"


def test_none_sleeps() -> None:
    sleeping = {str(file.relative_to(TESTS)) for file in FILES if sleeps(ast.parse(file.read_text()))}
    assert sleeping == set(MAY_SLEEP)


def sleeps(tree: ast.Module) -> list[int]:
    """Code alone: what a test gives another process to run is a string."""
    return [
        node.lineno for node in ast.walk(tree) if isinstance(node, ast.Call) and SLEEPS.match(ast.unparse(node) + " ")
    ]


EXAMPLES = """
def test_of_nothing():
    do()

def test_of_a_helper():
    helper()

def helper():
    assert do()

def test_of_numpy():
    np.testing.assert_allclose(do(), 1)

def test_of_time():
    assert time.monotonic() - began < 1

def test_of_a_least_time():
    assert time.monotonic() - began >= 1
    asyncio.sleep(0)
    time.sleep(0.1)
"""


def test_the_check_finds_its_examples() -> None:
    tree = ast.parse(EXAMPLES)
    assert without_expectation(tree) == ["test_of_nothing"]
    assert upper_bounds(tree) == [15]
    assert sleeps(tree) == [20]
