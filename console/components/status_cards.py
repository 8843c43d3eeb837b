"""Tenants as their admins see them, and the host that they run on."""

from __future__ import annotations

from collections.abc import Sequence

from console.components.markup import Html, el, join
from console.components.notices import warning
from console.messages import Language, Words, known
from console.view_models.status import actions, duration, log_text, megabytes, moment, tone
from console.view_models.tenants import title_of
from daemon.core import wire


def tenant_cards(tenants: Sequence[wire.TenantView], language: Language, t: Words) -> Html:
    """Draw a card for each tenant."""
    return el("ul", (_card(tenant, language, t) for tenant in tenants), class_="vw-tenants")


def _card(tenant: wire.TenantView, language: Language, t: Words) -> Html:
    facts = (el("div", el("dt", label), el("dd", value)) for label, value in _facts(tenant, t))
    return el(
        "li",
        _head(tenant, language, t),
        _why(tenant, t),
        [warning(kind, words, t) for kind, words in tenant.warnings.items()],
        _progress(tenant, t),
        el("dl", facts, class_="vw-facts"),
        el("div", (_button(action, tenant, language, t) for action in actions(tenant)), class_="vw-row-buttons"),
        class_=f"vw-tenant vw-tone-{tone(tenant.state)}",
        data_tenant=tenant.name,
        data_state=tenant.state,
    )


def more(page: wire.TenantPage, t: Words) -> Html | None:
    """Draw how many of all tenants are shown, and a button for more; None where these are all."""
    shown = len(page.tenants)
    if shown >= page.total:
        return None
    said = t("status.shown", shown=shown, total=f"{page.total:,}")
    button = el("button", t("status.more"), type="button", class_="vw-button", data_action="more", data_key="more")
    return el("div", el("p", said, class_="vw-hint"), button, class_="vw-more")


def _why(tenant: wire.TenantView, t: Words) -> Html:
    """Draw the state's reason and the last crash, once where they are the same."""
    crash = tenant.crash
    reason = tenant.reason if crash is None or crash.reason != tenant.reason else None
    return join(
        el("p", reason, class_="vw-reason", dir="auto") if reason else None,
        _crash(crash, t) if crash else None,
    )


def _crash(crash: wire.Crash, t: Words) -> Html:
    at = f"{moment(crash.at)} UTC"
    return el(
        "div",
        el("p", t("status.crashed", at=at, reason=crash.reason), dir="auto"),
        el("pre", "\n".join(map(log_text, crash.last_lines)), dir="auto") if crash.last_lines else None,
        class_="vw-reason vw-crash",
    )


def _head(tenant: wire.TenantView, language: Language, t: Words) -> Html:
    state = t(known(f"state.{tenant.state}", "state.other"), state=tenant.state)
    return el(
        "div",
        el("h3", el("bdi", title_of(tenant, language)), el("code", tenant.name)),
        el("span", state, class_="vw-state"),
        class_="vw-tenant-head",
    )


def _facts(tenant: wire.TenantView, t: Words) -> list[tuple[str, str]]:
    isolation = tenant.isolation
    unknown = t("status.unknown")
    facts = [
        (t("status.entries"), _number(tenant.entries, unknown)),
        (t("status.uptime"), _duration(tenant.uptime_s, t)),
        (t("status.restarts"), str(tenant.restarts)),
        (t("status.memory"), unknown if tenant.memory_mb is None else megabytes(tenant.memory_mb)),
        (t("status.device"), tenant.device or unknown),
        (t("status.rate"), t("status.per_s", n=f"{tenant.rates.searches_per_s:.1f}")),
        (
            t("status.isolation"),
            t(known(f"isolation.{isolation}", "isolation.other"), isolation=isolation) if isolation else unknown,
        ),
    ]
    if tenant.gpu_memory_mb is not None:
        facts.insert(4, (t("status.gpu_memory"), megabytes(tenant.gpu_memory_mb)))
    return facts


def _number(value: int | None, unknown: str) -> str:
    return unknown if value is None else f"{value:,}"


def _duration(seconds: float | None, t: Words) -> str:
    if seconds is None:
        return t("status.unknown")
    unit, count = duration(seconds)
    return t(unit, n=count)


def _progress(tenant: wire.TenantView, t: Words) -> Html | None:
    progress = tenant.progress
    if progress is None or not progress.total:
        return None
    percent = min(100, round(100 * progress.done / progress.total))
    key = known(f"progress.{progress.unit}", "progress.other")
    said = t(key, done=progress.done, total=progress.total, unit=progress.unit)
    bar = el("div", el("div", class_="vw-bar-fill", style=f"width:{percent}%"), class_="vw-bar")
    return el("div", el("p", said), bar, class_="vw-progress")


def _button(action: str, tenant: wire.TenantView, language: Language, t: Words) -> Html:
    sure = t("status.stop_sure", title=title_of(tenant, language)) if action == "stop" else None
    return el(
        "button",
        t(f"status.{action}"),
        type="button",
        class_="vw-button vw-danger" if sure else "vw-button",
        data_action=action,
        data_tenant=tenant.name,
        data_sure=sure,
        data_key=f"{action} {tenant.name}",
    )


def host(info: wire.Info, gpus: wire.GpuList | None, t: Words) -> Html | None:
    """Draw the host's memory, GPUs and bounds; None for readers to whom the daemon does not tell them."""
    memory = info.memory
    if memory is None and gpus is None:
        return None
    rows = []
    if memory is not None:
        free = t("status.host_free", free=megabytes(memory.available_mb), total=megabytes(memory.total_mb))
        rows.append(_meter(t("status.host_memory"), free, 1 - memory.available_mb / (memory.total_mb or 1)))
    if gpus is not None:
        rows += [_gpu(one, t) for one in gpus.gpus] or [_no_gpu(gpus.note, t)]
    return el("section", el("h3", t("status.host")), rows, _bounds(info, t), class_="vw-host")


def _bounds(info: wire.Info, t: Words) -> Html | None:
    """Say which bounds this host does not give its tenants, and what bounds their disk space."""
    said = [t(f"lacking.{key}") for key in info.lacking] + ([t(f"disk.{info.disk}")] if info.disk else [])
    return el("p", " · ".join(said), class_="vw-hint") if said else None


def _no_gpu(note: str | None, t: Words) -> Html:
    """Say that there is no GPU, or in the driver's words that the driver is in trouble."""
    if note is None or note == wire.NO_GPU:
        return el("p", t("status.no_gpu"), class_="vw-hint")
    return el("p", f"GPU: {note}", class_="vw-warning", dir="auto")


def _gpu(gpu: wire.Gpu, t: Words) -> Html:
    used = t("status.gpu_used", used=megabytes(gpu.memory_used_mb), total=megabytes(gpu.memory_mb))
    foreign = sum(process.tenant is None for process in gpu.processes)
    parts = [
        used,
        f"{gpu.temperature_c} °C" if gpu.temperature_c is not None else "",
        f"{gpu.utilisation_percent} %" if gpu.utilisation_percent is not None else "",
        t("status.gpu_tenants", names=", ".join(gpu.tenants)) if gpu.tenants else t("status.gpu_idle"),
        t("status.gpu_foreign", n=foreign) if foreign else "",
        gpu.problem or "",
    ]
    said = " · ".join(part for part in parts if part)
    return _meter(f"GPU {gpu.index} {gpu.name}", said, gpu.memory_used_mb / (gpu.memory_mb or 1))


def _meter(label: str, said: str, share: float) -> Html:
    percent = round(100 * min(1.0, max(0.0, share)))
    return el(
        "div",
        el("p", el("span", label), el("span", said, class_="vw-hint")),
        el("div", el("div", class_="vw-bar-fill", style=f"width:{percent}%"), class_="vw-bar"),
        class_="vw-meter",
    )
