"""The cookie and its key."""

from __future__ import annotations

import logging
import stat
import string
import time
from pathlib import Path

import pytest

from console.web import cookies as cookies_module
from console.web.cookies import MAX_AGE_S, Cookies, User, load_key

KEY = b"k" * 32
USER = User("张三 <b>", "s" * 32)


def _jar(cookies: Cookies, value: str) -> dict[str, str]:
    return {cookies.name: value}


def test_a_cookie_brings_back_its_user_and_is_never_the_same() -> None:
    cookies = Cookies(KEY, 7860)
    one, two = cookies.issue(USER), cookies.issue(USER)
    assert one != two
    assert one.isascii()
    assert cookies.user_of(_jar(cookies, one)) == USER


def test_nobody_else_can_make_one() -> None:
    cookies = Cookies(KEY, 7860)
    value = cookies.issue(USER)
    forged = [value[:-2] + ("AA" if value[-2:] != "AA" else "BB"), "", "x", value.partition(".")[0], "a.b.c", "\ud800"]
    forged.append(Cookies(b"o" * 32, 7860).issue(USER))
    assert [cookies.user_of(_jar(cookies, one)) for one in forged] == [None] * len(forged)
    assert cookies.user_of({}) is None


def test_it_ends_after_a_working_day(monkeypatch: pytest.MonkeyPatch) -> None:
    cookies = Cookies(KEY, 7860)
    value = cookies.issue(USER)
    later = time.time() + MAX_AGE_S + 2
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: later)
    assert cookies.user_of(_jar(cookies, value)) is None


def test_signing_out_ends_this_one_alone() -> None:
    cookies = Cookies(KEY, 7860)
    here, there = cookies.issue(USER), cookies.issue(USER)
    cookies.end(_jar(cookies, here))
    cookies.end({})
    assert cookies.user_of(_jar(cookies, here)) is None
    assert cookies.user_of(_jar(cookies, there)) == USER


def test_ended_sessions_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cookies_module, "MAX_ENDED", 3)
    cookies = Cookies(KEY, 7860)
    for _ in range(10):
        cookies.end(_jar(cookies, cookies.issue(USER)))
    cookies.end(_jar(cookies, "not ours"))
    assert len(cookies._ended) == 3


def test_a_cookie_written_in_another_way_has_ended_too() -> None:
    """Base64 has bits to spare: the last letter of a signature can be another, and the signature the same."""
    cookies = Cookies(KEY, 7860)
    value = cookies.issue(USER)
    same = [value[:-1] + letter for letter in string.ascii_letters + string.digits + "-_="]
    same = [one for one in [*same, value + "="] if cookies.user_of(_jar(cookies, one)) == USER]
    assert len(same) > 1, "there is no other way to write it; this test can go"
    cookies.end(_jar(cookies, value))
    assert [cookies.user_of(_jar(cookies, one)) for one in same] == [None] * len(same)


def test_two_consoles_on_one_host_do_not_share_cookies() -> None:
    assert Cookies(KEY, 7860).name != Cookies(KEY, 7861).name


def test_the_key_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "console" / "session.key"
    key = load_key(path)
    assert len(key) == 32
    assert load_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [one.name for one in path.parent.iterdir()] == ["session.key"]


@pytest.mark.parametrize("spoil", ["mode", "length"])
def test_a_key_that_others_could_know_is_replaced(tmp_path: Path, spoil: str, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "session.key"
    key = load_key(path)
    if spoil == "mode":
        path.chmod(0o644)
    else:
        path.write_bytes(b"short")
    assert load_key(path) != key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "session-key-replaced" in caplog.text


def test_a_planted_symlink_is_not_followed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    target = tmp_path / "elsewhere"
    target.write_bytes(KEY)
    path = tmp_path / "session.key"
    path.symlink_to(target)
    with caplog.at_level(logging.WARNING):
        assert load_key(path) != KEY
    assert "session-key-not-kept" in caplog.text
    assert target.read_bytes() == KEY
