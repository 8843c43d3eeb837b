"""Hashes of passwords: their cost, and which passwords are the same."""

from __future__ import annotations

import unicodedata

import pytest
from argon2 import extract_parameters

from daemon.core.config import passwords

PASSWORD = "correct horse"


def test_a_password_is_the_same_however_its_letters_are_composed() -> None:
    stored = passwords.hash_password(unicodedata.normalize("NFD", "pässwörter"))
    assert passwords.verify(stored, unicodedata.normalize("NFC", "pässwörter"))


@pytest.mark.parametrize("password", ["", "x" * 2000, "\ud800", "\x00" * 9])
def test_any_password_can_be_asked_for(password: str) -> None:
    assert not passwords.verify(passwords.NO_USER_HASH, password)


def test_an_unknown_user_costs_what_a_known_one_does() -> None:
    assert extract_parameters(passwords.NO_USER_HASH) == extract_parameters(passwords.hash_password(PASSWORD))


def test_the_cost_is_what_the_design_says() -> None:
    parameters = extract_parameters(passwords.hash_password(PASSWORD))
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (19 * 1024, 2, 1)
