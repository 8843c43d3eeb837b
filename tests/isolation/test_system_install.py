"""A daemon without --root, as a system install runs it: each tenant has a Linux user `vw-<name>` of its own.

It runs in a mount namespace with its own copy of /etc, and empty folders where it keeps things: this host's own
accounts stay as they are.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from daemon.client import Client
from daemon.core.errors import VecwardError
from daemon.core.wire import TenantView
from tests.isolation.conftest import needs_root
from tests.support.daemons import CHECKOUT, fake_tenant, wait_for

pytestmark = needs_root

TEXTS = ["one entry of some length", "another entry here"]
TENANT = json.dumps(fake_tenant()).encode()
_MACHINE = """
set -e
mount -t tmpfs -o mode=755 tmpfs "$0" && cp -a /etc "$0/etc" && mkdir "$0/lib" "$0/log" "$0/run"
mount --bind "$0/lib" /var/lib && mount --bind "$0/log" /var/log && mount --bind "$0/run" /run
mount --bind "$0/etc" /etc && mkdir -p /etc/vecward/tenants.d
"""


@dataclass
class Installed:
    process: subprocess.Popen[bytes]
    output: Path

    def path(self, name: str) -> Path:
        """A path as the daemon sees it."""
        return Path(f"/proc/{self.process.pid}/root{name}")

    def client(self) -> Client:
        return Client(self.path("/run/vecward/daemon.sock"))

    def accounts(self, file: str) -> dict[str, list[str]]:
        """Lines of /etc/passwd or /etc/group that were made for tenants."""
        rows = [line.split(":") for line in self.path(f"/etc/{file}").read_text().splitlines()]
        return {row[0]: row[1:] for row in rows if row[0].startswith("vw-")}

    def tenant(self, name: str) -> TenantView:
        with self.client() as client:
            return client.tenant(name)

    def ready(self, name: str) -> TenantView:
        def look() -> TenantView | None:
            assert self.process.poll() is None, self.output.read_text()
            try:
                view = self.tenant(name)
            except (VecwardError, OSError):
                return None
            assert view.state != "failed", view.reason
            return view if view.state == "ready" else None

        return wait_for(look, 60, what=f"{name} to be ready")

    def uids(self, name: str) -> tuple[int, int, int]:
        """Uids of the encoder's process, of its group and of its folder."""
        pid = self.ready(name).pid
        assert pid is not None
        process = psutil.Process(pid)
        return process.uids().real, process.gids().real, self.path(f"/var/lib/vecward/tenants/{name}").stat().st_uid


@contextmanager
def installed(folder: Path, tenants: Mapping[str, dict[str, Any]], prepare: str = "") -> Iterator[Installed]:
    """A system install in a machine of its own; `prepare` is run in the machine before the daemon."""
    place, output = folder / "machine", folder / "output"
    place.mkdir()
    write = [
        f"printf %s '{json.dumps(tenant)}' >/etc/vecward/tenants.d/{name}.yaml" for name, tenant in tenants.items()
    ]
    script = "\n".join([_MACHINE, *write, prepare, f"exec {shlex.quote(sys.executable)} -m daemon"])
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, str(place)]
    environment = {key: value for key, value in os.environ.items() if key != "VECWARD_ROOT"}
    with output.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=CHECKOUT, stdout=file, stderr=file, env={**environment, "PYTHONPATH": str(CHECKOUT)}
        )
    try:
        yield Installed(process, output)
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        finally:
            process.kill()


@pytest.fixture(autouse=True)
def _this_hosts_accounts_stay() -> Iterator[None]:
    before = [Path(f"/etc/{file}").read_bytes() for file in ("passwd", "group", "shadow")]
    yield
    assert [Path(f"/etc/{file}").read_bytes() for file in ("passwd", "group", "shadow")] == before


def test_a_tenants_user_comes_and_goes_with_it(tmp_path: Path) -> None:
    with installed(tmp_path, {"acme": fake_tenant(), "globex": fake_tenant()}) as host:
        uids = {name: host.uids(name) for name in ("acme", "globex")}
        assert {len(set(each)) for each in uids.values()} == {1}
        numbers = {name: str(each[0]) for name, each in uids.items()}
        assert sorted(numbers.values()) == ["20000", "20001"]
        for name, number in numbers.items():
            assert host.accounts("passwd")[f"vw-{name}"] == [
                "x",
                number,
                number,
                "an encoder of vecward",
                "/nonexistent",
                "/usr/sbin/nologin",
            ]
            assert host.accounts("group")[f"vw-{name}"] == ["x", number, ""]
        with host.client() as client:
            client.delete_tenant("acme", purge="acme")
        assert list(host.accounts("passwd")) == list(host.accounts("group")) == ["vw-globex"]
        with host.client() as client:
            client.put_tenant("acme", TENANT)
        assert host.uids("acme") == (20_002, 20_002, 20_002)
        assert host.accounts("passwd")["vw-acme"][1] == "20002"


def test_a_tenant_that_comes_back_over_its_data_gets_a_new_uid_under_its_name(tmp_path: Path) -> None:
    with installed(tmp_path, {"acme": fake_tenant()}) as host:
        host.ready("acme")
        with host.client() as client:
            client.set_texts("acme", TEXTS)
            client.delete_tenant("acme")
        assert host.accounts("passwd")["vw-acme"][1] == "20000"  # whose the kept data is
        with host.client() as client:
            client.put_tenant("acme", TENANT, adopt=True)
        assert host.uids("acme") == (20_001, 20_001, 20_001)
        assert host.accounts("passwd")["vw-acme"][1] == host.accounts("group")["vw-acme"][1] == "20001"
        with host.client() as client:
            assert sorted(entry.text for entry in client.entries("acme").entries) == sorted(TEXTS)


def test_users_of_the_hosts_keep_their_names_and_numbers(tmp_path: Path) -> None:
    """One has the first number of the range, one has the name that a tenant's user would have."""
    prepare = "useradd --uid 20000 bob; useradd --uid 1234 vw-globex"
    with installed(tmp_path, {"acme": fake_tenant()}, prepare) as host:
        assert host.uids("acme") == (20_001, 20_001, 20_001)
        with host.client() as client:
            client.put_tenant("globex", TENANT)
        failed = wait_for(lambda: (view := host.tenant("globex")).state == "failed" and view, what="the refusal")
        assert "a user or group vw-globex with the number 1234, which vecward did not give it" in str(failed.reason)
        assert "userdel vw-globex" in str(failed.reason)
        with host.client() as client:
            client.delete_tenant("globex", purge="globex")
        assert host.accounts("passwd")["vw-globex"][1] == "1234"
        assert "bob:x:20000:" in host.path("/etc/passwd").read_text()


def test_an_account_file_that_somebody_else_changes_is_waited_for(tmp_path: Path) -> None:
    with installed(tmp_path, {"acme": fake_tenant()}, f"echo -n {os.getpid()} >/etc/passwd.lock") as host:
        wait_for(lambda: "vw-acme" in host.accounts("group"), what="the group, which is made first")
        host.path("/etc/passwd.lock").unlink()
        assert host.uids("acme") == (20_000, 20_000, 20_000)
