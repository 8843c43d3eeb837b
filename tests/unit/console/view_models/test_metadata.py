"""Metadata as lines of `name: value`, there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.view_models import metadata as vm
from daemon.core import wire

_names = st.text(st.characters(exclude_characters="\n\r:：", exclude_categories=["C", "Z"]), min_size=1, max_size=8)
_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**9), 10**9),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)


@given(st.dictionaries(_names, _scalars, max_size=4))
def test_metadata_comes_back_as_it_was(metadata: dict[str, wire.Scalar]) -> None:
    back = vm.metadata_of(vm.metadata_text(metadata))
    assert back == metadata
    assert [type(value) for value in back.values()] == [type(value) for value in metadata.values()]


def test_metadata_as_people_write_it() -> None:
    written = 'team: kitchen\n\nsource: https://example.org:8080/a\n部门：厨房\nfloor: 3\nopen: true\nroom: "12"'
    assert vm.metadata_of(written) == {
        "team": "kitchen",
        "source": "https://example.org:8080/a",
        "部门": "厨房",
        "floor": 3,
        "open": True,
        "room": "12",
    }


@pytest.mark.parametrize("written", ["no colon", ": value", "a: 1\nno colon"])
def test_metadata_that_is_not_name_and_value_names_its_line(written: str) -> None:
    with pytest.raises(vm.BadMetadata) as caught:
        vm.metadata_of(written)
    assert caught.value.line == written.count("\n") + 1


@pytest.mark.parametrize("value", ["NaN", "Infinity", "[1]", '{"a": 1}'])
def test_metadata_values_are_flat(value: str) -> None:
    assert vm.metadata_of(f"a: {value}") == {"a": value}
