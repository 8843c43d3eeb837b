"""The children of `vecward model`, which read what a tenant owns or a hub sends: never in this process, never as root.

In `isolation: process` they run as the caller. In `strict` they run with the tenant's uid in a sandbox like the
encoder's, that may write into the tenant's models/ alone; the network is there for fetching from a hub.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from daemon.cli.settings import Settings
from daemon.core.config import DaemonConfig, load_config
from daemon.core.errors import InternalError, StartRefused, UnknownTenant, VecwardError, all_kinds
from daemon.core.paths import Paths
from daemon.core.tenant_config import TenantConfig, check_name, load_tenant

# What names the hub, the way to it, and whom it trusts.
_HUB_VARIABLES = (
    "HF_ENDPOINT", "HF_TOKEN", "HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
    *(name for upper in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY") for name in (upper, upper.lower())),
)  # fmt: skip


@dataclass(frozen=True)
class _Start:
    prefix: Sequence[str] = ()
    pass_fds: Sequence[int] = ()


def run(settings: Settings, tenant: str, chore: str, arguments: list[str], readable: list[Path]) -> dict[str, Any]:
    """What the child answered. Raises VecwardError, its own or the child's."""
    paths, daemon = settings.paths, load_config(settings.paths.daemon_yaml)
    config = _config(paths, daemon, tenant)
    data = paths.tenant(tenant).data
    network = chore == "fetch" and not readable
    start = _strict if daemon.isolation == "strict" else _plain
    with start(paths, daemon, tenant, config, readable, network=network) as prepared:
        ended = subprocess.run(  # noqa: S603  (our own interpreter and module)
            [*prepared.prefix, sys.executable, "-P", "-m", f"daemon.encoder.models.{chore}", "--data", str(data),
             *arguments],
            input=config.model_dump_json().encode(), stdout=subprocess.PIPE, check=False, umask=0o077,
            env=_environment(data, network=network), pass_fds=prepared.pass_fds, cwd="/",
        )  # fmt: skip
    return _answer(ended.returncode, ended.stdout, chore)


def _config(paths: Paths, daemon: DaemonConfig, tenant: str) -> TenantConfig:
    check_name(tenant)
    folder = Path(daemon.tenants_dir) if daemon.tenants_dir else paths.tenants_d
    path = folder / f"{tenant}.yaml"
    if not path.is_file():
        raise UnknownTenant(f"cannot find the tenant {tenant}: there is no {path}", tenant=tenant)
    found = load_tenant(path)
    if found.config is None:
        assert found.error is not None
        raise found.error
    if found.config.encoder.backend != "sentence-transformers":
        raise StartRefused(
            f"cannot do that for {tenant}: its backend {found.config.encoder.backend} comes with its model; "
            "only sentence-transformers has models to fetch and verify"
        )
    return found.config


def _environment(data: Path, *, network: bool) -> dict[str, str]:
    """Built from nothing, as an encoder's is; the hub's variables only for who goes there."""
    import daemon

    made = {
        "PATH": "/usr/bin:/bin", "HOME": str(data / "models"), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(Path(daemon.__file__).resolve().parent.parent), "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1", "TOKENIZERS_PARALLELISM": "false", "CUDA_VISIBLE_DEVICES": "",
        "HF_HUB_OFFLINE": "0" if network else "1", "TERM": os.environ.get("TERM", "dumb"),
    }  # fmt: skip
    if network:
        made |= {name: os.environ[name] for name in _HUB_VARIABLES if name in os.environ}
    return made


@contextmanager
def _plain(
    paths: Paths, _daemon: DaemonConfig, tenant: str, _config: TenantConfig, _readable: list[Path], *, network: bool
) -> Iterator[_Start]:  # fmt: skip
    del network  # the caller's own rights are not lessened
    paths.tenant(tenant).data.mkdir(parents=True, exist_ok=True, mode=0o700)
    yield _Start()


@contextmanager
def _strict(
    paths: Paths, daemon: DaemonConfig, tenant: str, config: TenantConfig, readable: list[Path], *, network: bool
) -> Iterator[_Start]:  # fmt: skip
    from daemon.supervisor import seccomp
    from daemon.supervisor.homes import Home, as_tenant
    from daemon.supervisor.launcher import accounts_folder, tenant_sandbox
    from daemon.supervisor.sandbox import check_host, write_accounts

    check_host([paths.etc, paths.state, paths.log, paths.run])
    data, accounts = paths.tenant(tenant).data, accounts_folder(paths, f"{tenant}.model")
    uid = _uid(Home(tenant, data, accounts), daemon)
    sandbox = replace(tenant_sandbox(paths, tenant, uid, config), accounts=accounts)
    write_accounts(accounts, tenant, uid, data)
    as_tenant(sandbox, ["mkdir", "-p", "-m", "700", "--", str(data / "models")])
    readable = [*sandbox.readable, *readable]
    sandbox = replace(sandbox, readable=readable, network=network, writable=[data / "models"])
    seccomp_fd = seccomp.memfd() if seccomp.supported() else None
    try:
        yield _Start(sandbox.prefix(seccomp_fd), () if seccomp_fd is None else (seccomp_fd,))
    finally:
        if seccomp_fd is not None:
            os.close(seccomp_fd)


def _uid(home: Any, daemon: DaemonConfig) -> int:
    """The owner of the tenant's folder, which the daemon made it at the first start."""
    first, last = daemon.uid_range
    if home.data.is_dir() and first <= (uid := home.owner()) <= last:
        return int(uid)
    raise StartRefused(
        f"cannot do that for {home.tenant} yet: it has no Linux user before its first start; run "
        f"`vecward start {home.tenant}` once, which fails for want of the model, and then this command again"
    )


def _answer(code: int, output: bytes, chore: str) -> dict[str, Any]:
    try:
        found = json.loads(output)
    except ValueError:
        raise InternalError(
            f"cannot {chore} the model: the child process ended with code {code} and no answer; what it wrote is above"
        ) from None
    if isinstance(found, dict) and "error" not in found:
        return found
    said = found["error"]
    raise all_kinds().get(said["kind"], VecwardError)(said["message"])
