"""The job processes of `vecward model`: files of a tenant or a hub are read there, never in this process or as root.

In `isolation: process` they run as the caller. In `strict` they run with the tenant's uid in sandboxes like the
encoder's, and fetching takes two: one has the network and an empty folder, and sees nothing of the tenant's; the other
sees the tenant's folder and what was downloaded, and has no network.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter

import daemon
from daemon.core.config.backends import BACKENDS
from daemon.core.config.daemon_config import DaemonConfig, load_config
from daemon.core.config.tenant_config import TenantConfig
from daemon.core.config.tenant_file import check_name, load_tenant
from daemon.core.encoder_protocol import model
from daemon.core.encoder_protocol.job import Job
from daemon.core.encoder_protocol.model import Fetched, Unchanged, Verified
from daemon.core.errors import InternalError, StartRefused, UnknownTenant, VecwardError, all_kinds
from daemon.core.paths import Paths
from daemon.supervisor.isolation import seccomp
from daemon.supervisor.isolation.data_folders import DataFolder
from daemon.supervisor.isolation.sandbox import Sandbox, check_host, write_accounts
from daemon.supervisor.isolation.tenant_sandbox import accounts_folder, tenant_sandbox
from daemon.supervisor.process.job_process import JobLaunch, running

Message = TypeVar("Message")

# The hub, the way to it, and whom it trusts.
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_HUB = ("HF_ENDPOINT", "HF_TOKEN", "HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT")
_HUB_VARIABLES = (*_HUB, *_CERTIFICATES, *_PROXIES, *map(str.lower, _PROXIES))


@dataclass(frozen=True)
class Tenant:
    """A tenant by its file, without a daemon."""

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
        return _fetched(_ask(tenant, Job.FETCH, model.fetch, tenant.data, arguments, network=source is None))
    if source is None:
        return _download_then_take(tenant)
    return _fetched(_ask(tenant, Job.FETCH, model.fetch, tenant.data, arguments, _sandbox(tenant, readable=source)))


def verify(paths: Paths, name: str, *, files_only: bool) -> Verified:
    """Compare the tenant's model with its manifest. Raises VecwardError, the job process's or our own."""
    tenant = _tenant(paths, name)
    arguments = ["--files-only"] if files_only else []
    return _ask(tenant, Job.VERIFY, model.verify, tenant.data, arguments, _sandbox(tenant) if tenant.strict else None)


def _fetched(message: Fetched | Unchanged) -> Fetched:
    if isinstance(message, Unchanged):  # answered only to `--have COMMIT`
        raise InternalError("cannot fetch the model: the process that does it has none")
    return message


def _tenant(paths: Paths, name: str) -> Tenant:
    check_name(name)
    config = load_config(paths.daemon_yaml)
    path = paths.tenants_dir(config.tenants_dir) / f"{name}.yaml"
    if not path.is_file():
        raise UnknownTenant(f"cannot find the tenant {name}: there is no {path}", tenant=name)
    found = load_tenant(path)
    if found.config is None:
        assert found.error is not None
        raise found.error
    if not found.config.encoder.facts.fetched:
        raise StartRefused(
            f"cannot do that for {name}: its backend {found.config.encoder.backend} comes with its model; only "
            f"{' and '.join(name for name, facts in BACKENDS.items() if facts.fetched)} has models to fetch and verify"
        )
    return Tenant(name, paths, found.config, config)


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
    found = _ask(tenant, Job.FETCH, model.fetch, depot.data, have, outside, network=True)
    if isinstance(found, Fetched):  # in the depot: just now, or by an attempt that failed later
        readable = replace(inside, readable=[*inside.readable, depot.data])
        there = _fetched(_ask(tenant, Job.FETCH, model.fetch, tenant.data, ["--from", found.folder], readable))
    assert there is not None
    depot.destroy()
    return there.model_copy(update={"revision": tenant.config.encoder.revision})


def _there(tenant: Tenant, sandbox: Sandbox) -> Fetched | None:
    """Return the model that is there and whole; None if it has to be fetched."""
    try:
        found = _ask(tenant, Job.VERIFY, model.verify, tenant.data, ["--files-only"], sandbox)
    except VecwardError:
        return None
    if found.problems or found.model is None:
        return None
    facts = found.model_dump(include={"model", "commit", "folder", "files", "bytes"})
    return Fetched(**facts, revision=None, changed=False)


def _depot(tenant: Tenant) -> DataFolder:
    return DataFolder(tenant.name, tenant.paths.state / "fetching" / tenant.name, _accounts(tenant))


def _accounts(tenant: Tenant) -> Path:
    """Return the folder of account files, beside the encoder's: no tenant's name has a dot."""
    return accounts_folder(tenant.paths, f"{tenant.name}.model")


def _sandbox(tenant: Tenant, readable: Path | None = None) -> Sandbox:
    """Make the encoder's sandbox, without its cgroup and its GPU. Raises StartRefused."""
    paths = tenant.paths
    check_host([paths.etc, paths.state, paths.log, paths.run])
    accounts = _accounts(tenant)
    uid = _uid(tenant, accounts)
    write_accounts(accounts, tenant.name, uid, tenant.data)
    made = tenant_sandbox(paths, tenant.name, uid, tenant.config)
    return replace(made, accounts=accounts, readable=[*made.readable, *([readable] if readable else [])])


def _uid(tenant: Tenant, accounts: Path) -> int:
    """Return the owner of the tenant's folder, whom the daemon chose at the first start. Raises StartRefused."""
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
    job: Job,
    kind: TypeAdapter[Message],
    data: Path,
    arguments: list[str],
    sandbox: Sandbox | None = None,
    *,
    network: bool = False,
) -> Message:
    """Run a job process and return its one message; its progress and its warnings go to our standard error."""
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
    return asyncio.run(_message(launch, job.module, arguments, kind))


async def _message(launch: JobLaunch, module: str, arguments: list[str], kind: TypeAdapter[Message]) -> Message:
    async with running(launch, module, arguments) as job:
        return await job.message(kind)


def _environment(data: Path, *, network: bool) -> dict[str, str]:
    """Build the environment from nothing, as an encoder's is; with the hub's variables where the network is used."""
    made = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(data),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(Path(daemon.__file__).resolve().parent.parent),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONSAFEPATH": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "CUDA_VISIBLE_DEVICES": "",
        "HF_HUB_OFFLINE": "0" if network else "1",
        "TERM": os.environ.get("TERM", "dumb"),
    }
    if network:
        made |= {name: os.environ[name] for name in _HUB_VARIABLES if name in os.environ}
    return made
