"""The hierarchy of errors: complete in the table of statuses and in the drawing, and whole after a journey."""

from __future__ import annotations

import re

import pytest

from daemon.core import errors
from daemon.core.http.problems import STATUS, from_problem, problem_headers, to_problem


def test_every_error_has_a_status() -> None:
    assert set(STATUS) == set(errors.all_kinds().values())


def test_the_drawing_is_the_hierarchy() -> None:
    """Each class is drawn once, below the class that it derives from."""
    classes = errors.all_kinds().values()
    assert dict(_drawn()) == {cls.__name__: cls.mro()[1].__name__ for cls in classes}


def _drawn() -> list[tuple[str, str]]:
    """(class, class above it) for each line of the tree in the module's docstring."""
    assert errors.__doc__ is not None
    above, found = ["Exception"], []
    for line in re.findall(r"^ {4}((?:[│├└─ ]{4})*[A-Z]\w+)", errors.__doc__, re.M):
        depth, name = (len(line) - len(line.lstrip("│├└─ "))) // 4, line.lstrip("│├└─ ")
        del above[depth + 1 :]
        found.append((name, above[-1]))
        above.append(name)
    assert len({name for name, _ in found}) == len(found)
    return found


def test_kinds_are_unique() -> None:
    classes: list[type[errors.VecwardError]] = [errors.VecwardError]
    for cls in classes:
        classes.extend(cls.__subclasses__())
    assert len({cls.kind for cls in classes}) == len(classes)


@pytest.mark.parametrize("cls", list(errors.all_kinds().values()), ids=lambda cls: cls.kind)
def test_a_problem_comes_back_as_the_error_it_was(cls: type[errors.VecwardError]) -> None:
    error = cls("cannot do it; do that", field="k")
    back = from_problem(to_problem(error))
    assert (type(back), back.message, back.details["field"]) == (cls, error.message, "k")
    assert back.retry_after == error.retry_after


def test_retry_after_is_whole_seconds_and_at_least_one() -> None:
    assert problem_headers(errors.QueueFull("cannot", retry_after=0.2))["retry-after"] == "1"


def test_an_unknown_kind_is_an_internal_error() -> None:
    assert isinstance(from_problem({"kind": "from-the-future", "detail": "x"}), errors.InternalError)
