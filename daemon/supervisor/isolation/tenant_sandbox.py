"""The sandbox that a tenant's configuration asks for."""

from __future__ import annotations

import os
import pwd
from dataclasses import replace
from pathlib import Path

from daemon.core.config.tenant_config import TenantConfig
from daemon.core.errors import StartRefused
from daemon.core.paths import Paths, TenantPaths
from daemon.supervisor.isolation.sandbox import Limits, Sandbox, overlap

_MAX_TMP_MB = 256
_NOT_MODELS = ("/", "/etc", "/root", "/home", "/var", "/dev", "/run")


def accounts_folder(paths: Paths, name: str) -> Path:
    """Return the folder of the sandbox's own passwd and group files."""
    return paths.run / "sandbox" / name


def tenant_sandbox(paths: Paths, name: str, uid: int, config: TenantConfig) -> Sandbox:
    """Describe the sandbox of a tenant's encoder. Raises StartRefused for a model folder that it must not see."""
    cpus = os.cpu_count() or 1
    tmp_mb = min(_MAX_TMP_MB, (config.limits.memory_mb or 4 * _MAX_TMP_MB) // 4)
    limits = Limits(processes=256 + 8 * cpus, tmp_mb=tmp_mb)
    if config.limits.disk_mb is not None:  # one file alone; the encoder itself minds the sum
        limits = replace(limits, file_mb=config.limits.disk_mb + 64)
    tenant = paths.tenant(name)
    readable = model_folders(paths, tenant, config)
    return Sandbox(uid, tenant.data, accounts_folder(paths, name), readable=readable, limits=limits)


def model_folders(paths: Paths, tenant: TenantPaths, config: TenantConfig) -> tuple[Path, ...]:
    """Return the folder that `encoder.model` names by path, to be shown read-only, and the path itself if it is a link.

    Empty for an id, or a folder within the tenant's own. Raises StartRefused for one that no encoder may see.
    """
    named = config.encoder.model
    if named is None or not named.startswith("/") or os.path.normpath(named).startswith(f"{tenant.data}/"):
        return ()
    ours = (paths.etc, paths.log, paths.run, paths.state / "tenants", paths.state_db, Path("/proc"), Path("/sys"))
    try:
        folder = Path(named).resolve()
        hidden = any(folder == Path(path) for path in _NOT_MODELS) or any(overlap(folder, p.resolve()) for p in ours)
    except OSError:  # a link in /proc, or one that leads in circles
        folder, hidden = Path(named), True
    if hidden:
        raise StartRefused(
            f"cannot start {tenant.data.name}: encoder.model {named} leads to {folder}, which no encoder may see; "
            "name a folder that holds a model and nothing else"
        )
    if not folder.is_dir():
        raise StartRefused(f"cannot start {tenant.data.name}: there is no folder {named} (encoder.model)")
    return (Path(named), folder) if Path(named) != folder else (folder,)


def check_uid(uid: int, tenant: str) -> None:
    """Refuse a uid that is another user's of this host. Raises StartRefused."""
    try:
        owner = pwd.getpwuid(uid).pw_name
    except KeyError:
        return
    if owner != f"vw-{tenant}":
        raise StartRefused(
            f"cannot start {tenant}: its uid {uid} is the host's user {owner}; set uid_range in daemon.yaml to uids "
            "that nobody has"
        )
