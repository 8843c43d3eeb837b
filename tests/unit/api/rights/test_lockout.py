"""Sign-ins: the growing wait, what resets it, and that it outlives the daemon."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.api.rights.authenticate import UserBase
from daemon.api.rights.lockout import FORGOTTEN_AFTER_S, LONGEST_WAIT_S, Lockout, keys_of, wait_after
from daemon.api.rights.sign_in import MAX_WAITING, SignIns
from daemon.core.config import passwords, users
from daemon.core.errors import TooManyAttempts, Unauthenticated
from daemon.core.wire import SignIn

PASSWORD = "correct horse"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    yield connection
    connection.close()


@pytest.fixture
def lockout(database: sqlite3.Connection, clock: Clock) -> Lockout:
    return Lockout(database, clock)


def fail(lockout: Lockout, times: int, name: str = "demo", address: str | None = None) -> None:
    for _ in range(times):
        lockout.begin(keys_of(name, address))


def wait_of(lockout: Lockout, name: str = "demo", address: str | None = None) -> float:
    with pytest.raises(TooManyAttempts) as caught:
        lockout.begin(keys_of(name, address))
    assert caught.value.retry_after is not None
    return caught.value.retry_after


def test_the_wait_doubles_up_to_a_bound() -> None:
    assert [wait_after(failures, 5) for failures in range(9)] == [0, 0, 0, 0, 0, 5, 10, 20, 40]
    assert wait_after(1000, 5) == LONGEST_WAIT_S


def test_five_failures_are_free_then_the_wait_grows(lockout: Lockout, clock: Clock) -> None:
    fail(lockout, 5)
    assert wait_of(lockout) == 5
    clock.now += 5
    fail(lockout, 1)
    assert wait_of(lockout) == 10


def test_trying_while_waiting_does_not_lengthen_the_wait(lockout: Lockout, clock: Clock) -> None:
    fail(lockout, 5)
    for _ in range(20):
        assert wait_of(lockout) == 5
    clock.now += 5
    fail(lockout, 1)


def test_users_are_counted_apart_but_share_their_address(lockout: Lockout) -> None:
    fail(lockout, 5, "demo", "10.0.0.1")
    fail(lockout, 1, "other", "10.0.0.1")
    assert wait_of(lockout, "demo", "10.0.0.2") == 5
    for number in range(24):
        fail(lockout, 1, f"user{number}", "10.0.0.1")
    assert wait_of(lockout, "fresh", "10.0.0.1") == 5
    fail(lockout, 1, "fresh", "10.0.0.2")


def test_success_clears_the_user_and_gives_the_address_one_back(lockout: Lockout) -> None:
    fail(lockout, 4, "demo", "10.0.0.1")
    lockout.begin(keys_of("demo", "10.0.0.1"))
    lockout.succeeded(keys_of("demo", "10.0.0.1"))
    fail(lockout, 5, "demo", "10.0.0.1")
    assert wait_of(lockout, "demo", "10.0.0.1") == 5


def test_a_guesser_with_an_account_does_not_clear_the_address(lockout: Lockout) -> None:
    for number in range(30):
        lockout.begin(keys_of(f"victim{number}", "10.0.0.1"))
        if number < 29:
            lockout.begin(keys_of("mine", "10.0.0.1"))
            lockout.succeeded(keys_of("mine", "10.0.0.1"))
    assert wait_of(lockout, "mine", "10.0.0.1") == 5


def test_the_wait_outlives_the_daemon(tmp_path: Path, clock: Clock) -> None:
    for _ in range(2):
        connection = sqlite3.connect(tmp_path / "other.db", isolation_level=None)
        lockout = Lockout(connection, clock)
        if connection.execute("SELECT count(*) FROM sign_in_attempts").fetchone()[0] == 0:
            fail(lockout, 5)
        else:
            assert wait_of(lockout) == 5
        connection.close()


def test_a_clock_set_back_locks_nobody_out_for_ever(lockout: Lockout, clock: Clock) -> None:
    fail(lockout, 5)
    clock.now -= 10 * FORGOTTEN_AFTER_S
    fail(lockout, 5)
    assert wait_of(lockout) == 5, "counted anew by the clock as it is now"


def test_failures_are_forgotten_after_a_day(lockout: Lockout, clock: Clock) -> None:
    fail(lockout, 5)
    clock.now += FORGOTTEN_AFTER_S + 1
    fail(lockout, 5)
    assert wait_of(lockout) == 5


def test_made_up_names_do_not_fill_the_disk_nor_push_out_a_lock(
    lockout: Lockout, database: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.api.rights.lockout._MAX_ROWS", 50)
    fail(lockout, 5)
    for number in range(200):
        fail(lockout, 1, f"made-up-{number}" + "x" * 5000)
    assert database.execute("SELECT count(*), max(length(key)) FROM sign_in_attempts").fetchone() <= (50, 270)
    assert wait_of(lockout) == 5


# --- the whole of a sign-in -----------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "users.yaml"
    users.add(path, "demo", PASSWORD)
    return path


@pytest.fixture
def sign_ins(path: Path, lockout: Lockout) -> Iterator[SignIns]:
    made = SignIns(UserBase(path), lockout)
    yield made
    made.close()


async def test_the_right_password_gives_the_session(sign_ins: SignIns, path: Path) -> None:
    found = await sign_ins.check(SignIn(name="demo", password=PASSWORD), None)
    assert found == ("demo", passwords.session_of("demo", users.load(path)["demo"]))


async def test_wrong_password_and_unknown_user_answer_alike(sign_ins: SignIns) -> None:
    answers = set()
    for name in ("demo", "nobody", "", "\ud800", "x" * 10_000):
        with pytest.raises(Unauthenticated) as caught:
            await sign_ins.check(SignIn(name=name, password="wrong password"), "10.0.0.1")
        answers.add((caught.value.kind, caught.value.message, str(caught.value.details)))
    assert len(answers) == 1


async def test_an_unknown_name_costs_a_password_check_too(sign_ins: SignIns, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []

    def verify(stored: str, password: str) -> bool:
        checked.append(stored)
        return password == "right for nobody"  # even if it fitted: there is no such user

    monkeypatch.setattr(passwords, "verify", verify)
    with pytest.raises(Unauthenticated, match="wrong"):
        await sign_ins.check(SignIn(name="nobody", password="right for nobody"), None)
    assert checked == [passwords.NO_USER_HASH]


async def test_unknown_users_are_locked_out_alike(sign_ins: SignIns) -> None:
    for name in ("demo", "nobody"):
        for _ in range(5):
            with pytest.raises(Unauthenticated, match="wrong"):
                await sign_ins.check(SignIn(name=name, password="wrong password"), None)
        with pytest.raises(TooManyAttempts):
            await sign_ins.check(SignIn(name=name, password=PASSWORD), None)


async def test_guesses_at_once_gain_nothing(sign_ins: SignIns) -> None:
    guesses = [sign_ins.check(SignIn(name="demo", password=f"guess number {n}"), None) for n in range(20)]
    outcomes = await asyncio.gather(*guesses, return_exceptions=True)
    assert sum(isinstance(outcome, TooManyAttempts) for outcome in outcomes) == 15


async def test_a_flood_of_sign_ins_is_turned_away(sign_ins: SignIns) -> None:
    flood = [sign_ins.check(SignIn(name=f"user{n}", password="wrong password"), None) for n in range(MAX_WAITING + 8)]
    outcomes = await asyncio.gather(*flood, return_exceptions=True)
    assert sum(isinstance(outcome, TooManyAttempts) for outcome in outcomes) == 8


async def test_a_password_changed_during_the_check_does_not_count(sign_ins: SignIns, path: Path) -> None:
    checking = asyncio.ensure_future(sign_ins.check(SignIn(name="demo", password=PASSWORD), None))
    await asyncio.sleep(0)
    users.set_password(path, "demo", "battery staple")
    with pytest.raises(Unauthenticated):
        await checking


async def test_a_broken_file_refuses_the_sign_in(sign_ins: SignIns, path: Path) -> None:
    users.save(path, {"demo": "no hash"})
    with pytest.raises(Unauthenticated, match=r"users\.yaml"):
        await sign_ins.check(SignIn(name="demo", password=PASSWORD), None)
