"""A tenant as the API shows it; a pure function of what the supervisor knows."""

from __future__ import annotations

import time
from collections.abc import Sequence

from daemon.core.process_memory import resident_mb
from daemon.core.wire import TenantView, Title
from daemon.supervisor.states import State
from daemon.supervisor.tenants.tenant import Tenant

ISOLATION_WORDS = {
    "process": "own process only: same Linux user, no sandbox (isolation: process in daemon.yaml)",
    "strict": "own Linux user, sandbox without network, own file system view",
}
ISOLATION_WORDS_ZH = {
    "process": "仅独立进程：同一 Linux 用户，无沙箱（daemon.yaml 中 isolation: process）",
    "strict": "独立 Linux 用户，无网络沙箱，独立文件系统视图",
}
# What a host may not give: said beside the isolation, never silently missing.
LACKING_WORDS = {
    "cgroups": "not bounded by cgroups: memory, CPU (the daemon's cgroup is not delegated)",
    "seccomp": "no system call filter (none for this processor)",
}
LACKING_WORDS_ZH = {
    "cgroups": "内存与 CPU 不受 cgroup 限制（守护进程的 cgroup 未被委派）",
    "seccomp": "无系统调用过滤（不支持此处理器）",
}
# What holds a tenant to limits.disk_mb when its encoder does not.
DISK_WORDS = {
    "quota": "disk space bounded by the file system's quotas",
    "watch": "disk space watched, since its file system enforces no quotas: a tenant past its limit is stopped",
}
DISK_WORDS_ZH = {
    "quota": "磁盘空间由文件系统配额限制",
    "watch": "文件系统未启用配额，磁盘空间由守护进程监视：超限的租户会被停止",
}


def isolation_words(isolation: str, lacking: Sequence[str], disk: str) -> dict[str, str]:
    """The isolation in force and what of it is lacking, by language; `disk`: quota or watch."""
    return {
        "en": "; ".join([ISOLATION_WORDS[isolation], *(LACKING_WORDS[what] for what in lacking), DISK_WORDS[disk]]),
        "zh": "；".join(
            [ISOLATION_WORDS_ZH[isolation], *(LACKING_WORDS_ZH[what] for what in lacking), DISK_WORDS_ZH[disk]]
        ),
    }


def view(tenant: Tenant) -> TenantView:
    config, process, facts, report = tenant.config, tenant.process, tenant.facts, tenant.facts.report
    running = process is not None and tenant.state is State.READY
    return TenantView(
        name=tenant.name,
        title=Title(en=config.title.en, zh=config.title.zh) if config else Title(),
        state=tenant.state.value,
        goal=tenant.goal.value,
        reason=tenant.reason,
        pid=process.pid if process else None,
        uptime_s=time.monotonic() - process.ready_at if running and process and process.ready_at else None,
        restarts=facts.restarts,
        device=facts.placement.words if facts.placement and facts.placement.uuid else report.device,
        isolation=facts.isolation,
        memory_mb=resident_mb(process.pid) if process and process.pid else None,
        gpu_memory_mb=facts.gpu_memory_mb if running else None,
        entries=report.entries,
        revision=report.revision,
        fingerprint=report.fingerprint,
        dimension=report.dimension,
        threshold=config.threshold if config else None,
        k=config.search.k if config else 5,
        min_chars=config.knowledge.min_chars if config else 5,
        backend=config.encoder.backend if config else None,
        progress=report.progress if tenant.coming_up else None,
        examples=config.search.examples if config else [],
        warnings=tenant.warnings.shown(),
        crash=facts.crash,
        rates=tenant.traffic.rates.rates(),
    )
