"""The audit log of a real daemon: calls, refusals, sign-ins, files, and what a crash leaves."""

from __future__ import annotations

import json
import stat
from typing import Any

from daemon.core.config import passwords, users
from tests.support.daemons import fake_tenant, running_daemon, wait_for
from tests.support.rights import ACCESS, NAMES, PASSWORD, as_me, as_user, sign_in


def test_changes_refusals_and_sign_ins_are_audited() -> None:
    with running_daemon({"acme": fake_tenant(access=ACCESS)}, start=False, admins=["user:chief"]) as daemon:
        users.save(daemon.paths.users_yaml, {name: passwords.hash_password(PASSWORD) for name in NAMES.values()})
        daemon.start().ready("acme")
        added = as_user(daemon, "editor", "POST", "/v1/tenants/acme/entries", {"entries": [{"text": "a new entry"}]})
        for _ in range(10):
            as_user(daemon, "searcher", "POST", "/v1/tenants/acme/stop")
            as_user(daemon, "stranger", "GET", "/v1/tenants/acme")
        as_user(daemon, "searcher", "POST", "/v1/tenants/acme/search", {"query": "a question"})
        sign_in(daemon, "chief", PASSWORD)
        sign_in(daemon, PASSWORD, "typed into the wrong field")
        shown = as_user(daemon, "chief", "GET", "/v1/audit?tenant=acme&outcome=forbidden").json()["lines"]
        assert daemon.stop() == 0
        assert stat.S_IMODE(daemon.paths.audit_log.stat().st_mode) == 0o640
        written = daemon.paths.audit_log.read_text()
    lines = [json.loads(line) for line in written.splitlines()]
    seen = [
        (line["principal"], line["action"], line["outcome"], line["tenant"], line.get("repeated")) for line in lines
    ]
    assert seen.pop(0)[:3] == ("file", "daemon-started", "done")
    lines.pop(0)
    assert seen[:5] == [
        ("user:editor", "add_entries", "done", "acme", None),
        ("user:searcher", "stop", "forbidden", "acme", None),
        ("user:stranger", "tenant", "unknown-tenant", "acme", None),
        ("user:chief", "sign_in", "done", None, None),
        ("user:?", "sign_in", "unauthenticated", None, None),
    ]
    assert seen[5:] == [
        ("user:searcher", "stop", "forbidden", "acme", 9),
        ("user:stranger", "tenant", "unknown-tenant", "acme", 9),
    ]
    assert lines[0]["request"] == added.headers["vecward-request"]
    assert [line["principal"] for line in shown] == ["user:searcher"]
    assert PASSWORD not in written


def test_changes_of_files_are_audited() -> None:
    """Rights can be given past the API, by whoever may write the files: that is seen, though not by whom."""
    with running_daemon({"acme": fake_tenant(access=ACCESS)}, start=False) as daemon:
        users.save(daemon.paths.users_yaml, {"old": passwords.hash_password(PASSWORD)})
        daemon.start().ready("acme")

        def line(action: str) -> dict[str, Any]:
            found = wait_for(lambda: as_me(daemon, "GET", f"/v1/audit?action={action}").json()["lines"], what=action)
            return dict(found[0])

        daemon.write_tenant("acme", fake_tenant(access={**ACCESS, "searchers": ["user:new"]}, search={"k": 7}))
        changed = line("tenant-file-changed")
        assert (changed["tenant"], changed["outcome"]) == ("acme", "done")
        assert changed["detail"] == "search.k, access.searchers"
        daemon.write_tenant("acme", "nonsense: true")
        wait_for(lambda: line("tenant-file-changed")["outcome"] == "invalid-config")
        daemon.write_tenant("globex", fake_tenant())
        assert line("tenant-file-created")["tenant"] == "globex"
        (daemon.paths.tenants_d / "globex.yaml").unlink()
        assert line("tenant-file-removed")["tenant"] == "globex"
        users.add(daemon.paths.users_yaml, "new", PASSWORD)
        users.set_password(daemon.paths.users_yaml, "old", "battery staple")
        as_user(daemon, "new", "GET", "/v1/info")
        assert line("users-changed")["detail"] == "added: new; new password: old"
        assert (line("users-changed")["via"], line("daemon-started")["detail"]) == ("file", "isolation: process")


def test_an_audit_log_torn_by_a_crash_is_marked_at_start() -> None:
    with running_daemon({}, start=False) as daemon:
        daemon.paths.audit_log.parent.mkdir(parents=True)
        daemon.paths.audit_log.write_text('{"action": "sta')
        daemon.start()
        assert as_me(daemon, "GET", "/v1/audit?action=audit-torn-line").json()["lines"]
