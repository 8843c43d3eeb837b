from __future__ import annotations

import pytest

from daemon.core import errors
from daemon.core.http.problems import STATUS, from_problem, problem_headers, to_problem


def test_every_error_has_a_status():
    assert set(STATUS) == set(errors.all_kinds().values())


def test_every_error_class_is_drawn_in_the_docstring():
    assert errors.__doc__ is not None
    drawn = errors.__doc__
    assert [cls.__name__ for cls in errors.all_kinds().values() if cls.__name__ not in drawn] == []


def test_kinds_are_unique():
    classes: list[type[errors.VecwardError]] = [errors.VecwardError]
    for cls in classes:
        classes.extend(cls.__subclasses__())
    assert len({cls.kind for cls in classes}) == len(classes)


@pytest.mark.parametrize("cls", list(errors.all_kinds().values()), ids=lambda cls: cls.kind)
def test_a_problem_comes_back_as_the_error_it_was(cls):
    error = cls("cannot do it; do that", field="k")
    back = from_problem(to_problem(error))
    assert (type(back), back.message, back.details["field"]) == (cls, error.message, "k")
    assert back.retry_after == error.retry_after


def test_retry_after_is_whole_seconds_and_at_least_one():
    assert problem_headers(errors.QueueFull("cannot", retry_after=0.2))["retry-after"] == "1"


def test_an_unknown_kind_is_an_internal_error():
    assert isinstance(from_problem({"kind": "from-the-future", "detail": "x"}), errors.InternalError)
