"""Job processes of `vecward model`, which read what a tenant owns or a hub sends: never in this process, nor as root.

In `isolation: process` they run as the caller. In `strict` they run with the tenant's uid in sandboxes like the
encoder's, and fetching takes two: one has the network and an empty folder, and sees nothing of the tenant's; the other
sees the tenant's folder and what was downloaded, and has no network.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter

from daemon.core.config.daemon_config import DaemonConfig, load_config
from daemon.core.config.tenant_config import TenantConfig
from daemon.core.config.tenant_file import check_name, load_tenant
from daemon.core.encoder_protocol import model
from daemon.core.encoder_protocol.model import Fetched, Unchanged, Verified
from daemon.core.errors import InternalError, StartRefused, UnknownTenant, VecwardError, all_kinds
from daemon.core.paths import Paths

if TYPE_CHECKING:
    from daemon.supervisor.isolation.data_folders import DataFolder
    from daemon.supervisor.isolation.sandbox import Sandbox
    from daemon.supervisor.process.job_process import JobLaunch

Message = TypeVar("Message")

# The hub, the way to it, and whom it trusts.
_HUB_VARIABLES = (
    "HF_ENDPOINT", "HF_TOKEN", "HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
    *(name for upper in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY") for name in (upper, upper.lower())),
)  # fmt: skip


@dataclass(frozen=True)
class Tenant:
    name: str
    paths: Paths
    config: TenantConfig
    daemon: DaemonConfig

    @property
    def data(self) -> Path:
        return self.paths.tenant(self.name).data

    @property
    def strict(self) -> bool:
        return self.daemon.isolation == "strict"


def fetch(paths: Paths, name: str, source: Path | None) -> Fetched:
    """Bring the tenant's model to its place. Raises VecwardError, the job process's or our own."""
    tenant = _tenant(paths, name)
    arguments = [] if source is None else ["--from", str(source)]
    if not tenant.strict:
        tenant.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        return _fetched(_ask(tenant, "fetch", model.fetch, tenant.data, arguments, network=source is None))
    if source is None:
        return _download_then_take(tenant)
    return _fetched(_ask(tenant, "fetch", model.fetch, tenant.data, arguments, _sandbox(tenant, readable=source)))


def verify(paths: Paths, name: str, *, files_only: bool) -> Verified:
    """Compare the tenant's model with its manifest. Raises VecwardError, the job process's or our own."""
    tenant = _tenant(paths, name)
    arguments = ["--files-only"] if files_only else []
    return _ask(tenant, "verify", model.verify, tenant.data, arguments, _sandbox(tenant) if tenant.strict else None)


def _fetched(message: Fetched | Unchanged) -> Fetched:
    if isinstance(message, Unchanged):  # only who says that it has a commit is answered so
        raise InternalError("cannot fetch the model: the process that does it has none")
    return message


def _tenant(paths: Paths, name: str) -> Tenant:
    check_name(name)
    daemon = load_config(paths.daemon_yaml)
    path = paths.tenants_dir(daemon.tenants_dir) / f"{name}.yaml"
    if not path.is_file():
        raise UnknownTenant(f"cannot find the tenant {name}: there is no {path}", tenant=name)
    found = load_tenant(path)
    if found.config is None:
        assert found.error is not None
        raise found.error
    if found.config.encoder.backend != "sentence-transformers":
        raise StartRefused(
            f"cannot do that for {name}: its backend {found.config.encoder.backend} comes with its model; only "
            "sentence-transformers has models to fetch and verify"
        )
    return Tenant(name, paths, found.config, daemon)


# --- strict -------------------------------------------------------------------------------------------


def _download_then_take(tenant: Tenant) -> Fetched:
    """Download in a sandbox with the network, then take the files in one without.

    The download is kept when something fails, and goes on the next time.
    """
    inside = _sandbox(tenant)
    there = _there(tenant, inside)
    depot = _depot(tenant)
    depot.data.parent.mkdir(exist_ok=True, mode=0o700)
    depot.give_to(inside.uid)
    outside = replace(inside, data=depot.data, readable=(), network=True)
    have = ["--have", there.commit] if there is not None and there.commit is not None else []
    found = _ask(tenant, "fetch", model.fetch, depot.data, have, outside, network=True)
    if isinstance(found, Fetched):  # in the depot: just now, or by an attempt that failed later
        readable = replace(inside, readable=[*inside.readable, depot.data])
        there = _fetched(_ask(tenant, "fetch", model.fetch, tenant.data, ["--from", found.folder], readable))
    assert there is not None
    depot.destroy()
    return there.model_copy(update={"revision": tenant.config.encoder.revision})


def _there(tenant: Tenant, sandbox: Sandbox) -> Fetched | None:
    """The model that is there and whole; None if it has to be fetched."""
    try:
        found = _ask(tenant, "verify", model.verify, tenant.data, ["--files-only"], sandbox)
    except VecwardError:
        return None
    if found.problems or found.model is None:
        return None
    facts = found.model_dump(include={"model", "commit", "folder", "files", "bytes"})
    return Fetched(**facts, revision=None, changed=False)


def _depot(tenant: Tenant) -> DataFolder:
    from daemon.supervisor.isolation.data_folders import DataFolder

    return DataFolder(tenant.name, tenant.paths.state / "fetching" / tenant.name, _accounts(tenant))


def _accounts(tenant: Tenant) -> Path:
    """Beside the encoder's; no tenant's name has a dot."""
    from daemon.supervisor.launcher import accounts_folder

    return accounts_folder(tenant.paths, f"{tenant.name}.model")


def _sandbox(tenant: Tenant, readable: Path | None = None) -> Sandbox:
    """The encoder's, without its cgroup and its GPU. Raises StartRefused."""
    from daemon.supervisor.isolation.sandbox import check_host, write_accounts
    from daemon.supervisor.launcher import tenant_sandbox

    paths = tenant.paths
    check_host([paths.etc, paths.state, paths.log, paths.run])
    accounts = _accounts(tenant)
    uid = _uid(tenant, accounts)
    write_accounts(accounts, tenant.name, uid, tenant.data)
    made = tenant_sandbox(paths, tenant.name, uid, tenant.config)
    return replace(made, accounts=accounts, readable=[*made.readable, *([readable] if readable else [])])


def _uid(tenant: Tenant, accounts: Path) -> int:
    """The owner of the tenant's folder, which the daemon made it at the first start. Raises StartRefused."""
    from daemon.supervisor.isolation.data_folders import DataFolder

    first, last = tenant.daemon.uid_range
    if tenant.data.is_dir() and first <= (uid := DataFolder(tenant.name, tenant.data, accounts).owner()) <= last:
        return uid
    raise StartRefused(
        f"cannot do that for {tenant.name} yet: it has no Linux user before its first start; run "
        f"`vecward start {tenant.name}` once, which fails for want of the model, and then this command again"
    )


# --- the process --------------------------------------------------------------------------------------


def _ask(
    tenant: Tenant,
    job: str,
    kind: TypeAdapter[Message],
    data: Path,
    arguments: list[str],
    sandbox: Sandbox | None = None,
    *,
    network: bool = False,
) -> Message:
    """The one message of a job process; its progress and its warnings go to our standard error."""
    from daemon.supervisor.isolation import seccomp
    from daemon.supervisor.process.job_process import JobLaunch

    filter_fd = seccomp.memfd() if sandbox is not None and seccomp.supported() else None
    launch = JobLaunch(
        tenant=tenant.name,
        data=data,
        config_json=tenant.config.model_dump_json().encode(),
        log=None,
        prefix=[] if sandbox is None else sandbox.prefix(filter_fd),
        environment=_environment(data, network=network),
        pass_fds=[] if filter_fd is None else [filter_fd],
        believed=all_kinds(),
    )
    return asyncio.run(_message(launch, f"daemon.encoder.jobs.{job}", arguments, kind))


async def _message(launch: JobLaunch, module: str, arguments: list[str], kind: TypeAdapter[Message]) -> Message:
    from daemon.supervisor.process.job_process import running

    async with running(launch, module, arguments) as job:
        return await job.message(kind)


def _environment(data: Path, *, network: bool) -> dict[str, str]:
    """Built from nothing, as an encoder's is; the hub's variables only for who goes there."""
    import daemon

    made = {
        "PATH": "/usr/bin:/bin", "HOME": str(data), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(Path(daemon.__file__).resolve().parent.parent), "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1", "PYTHONSAFEPATH": "1", "TOKENIZERS_PARALLELISM": "false", "CUDA_VISIBLE_DEVICES": "",
        "HF_HUB_OFFLINE": "0" if network else "1", "TERM": os.environ.get("TERM", "dumb"),
    }  # fmt: skip
    if network:
        made |= {name: os.environ[name] for name in _HUB_VARIABLES if name in os.environ}
    return made
