"""Callers on daemon.sock: principals from the kernel and the user base, and how long they are believed."""

from __future__ import annotations

import os
import pwd

import pytest

from daemon.api.rights import linux
from daemon.api.rights.connection import Connection
from daemon.api.rights.linux import LinuxIdentities, linux_principals
from daemon.core.http.sockets import Peer

STRANGER = Peer(1, 4_000_001, 4_000_001)


def test_a_peer_is_its_uid_its_name_and_its_groups() -> None:
    me = pwd.getpwuid(os.getuid()).pw_name
    found = linux_principals(Peer(1, os.getuid(), 0, (0,)))
    assert found >= {f"uid:{os.getuid()}", f"linux:{me}", "group:root"}


def test_ids_without_a_name_have_a_number_only() -> None:
    assert linux_principals(Peer(1, 4_000_001, 4_000_002, (4_000_003,))) == {"uid:4000001"}


def test_the_overflow_id_matches_nothing() -> None:
    assert linux_principals(Peer(1, 65534, 65534, (65534,))) == frozenset()


async def test_an_identity_is_remembered_by_connection_and_by_peer() -> None:
    identities = LinuxIdentities()
    first, second = Connection("daemon", STRANGER), Connection("daemon", STRANGER)
    assert identities.remembered(first) is None
    found = await identities.find(first)
    assert identities.remembered(first) is found
    assert await identities.find(second) is found
    first.identity_until = 0.0
    assert identities.remembered(first) is None


async def test_the_same_answer_keeps_the_identity_and_another_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linux, "IDENTITY_S", -1.0)  # no answer is believed for longer than it takes
    identities = LinuxIdentities()
    connection = Connection("daemon", STRANGER)
    first = await identities.find(connection)
    assert await identities.find(connection) is first, "its roles would be worked out anew"
    monkeypatch.setattr(linux, "linux_principals", lambda _: frozenset({"uid:4000001", "group:sales"}))
    assert (await identities.find(connection)).principals == {"uid:4000001", "group:sales"}


async def test_only_so_many_identities_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linux, "_KEPT", 2)
    monkeypatch.setattr(linux, "linux_principals", lambda peer: frozenset({f"uid:{peer.uid}"}))
    identities = LinuxIdentities()
    connections = [Connection("daemon", Peer(1, uid, 1)) for uid in (1, 2, 3)]
    found = [await identities.find(connection) for connection in connections]
    assert await identities.find(connections[2]) is found[2]
    assert await identities.find(connections[0]) is not found[0], "the least lately asked goes first"
