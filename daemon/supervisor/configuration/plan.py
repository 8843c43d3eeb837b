"""The plan of a changed file (`vecward tenant plan`): what it would do, said beforehand without a change."""

from __future__ import annotations

from typing import Any, Literal

from daemon.core.config.effects import effect, may_reembed, needs_restart
from daemon.core.config.tenant_config import TenantConfig
from daemon.core.encoder_protocol.reembed import FieldChange, Loaded, Plan
from daemon.core.units import counted
from daemon.supervisor.jobs.reembed import ReEmbedding, obstacle
from daemon.supervisor.states import State
from daemon.supervisor.tenants.tenant import Tenant


async def plan(name: str, tenant: Tenant | None, config: TenantConfig, reembedding: ReEmbedding) -> Plan:
    """Make the plan; a model that may need new vectors is loaded for it. Raises StartRefused, InternalError."""
    if tenant is None or tenant.config is None:
        return Plan(tenant=name, action="create", restart=True)
    before = tenant.config
    action: Literal["nothing", "change"] = "nothing" if before == config else "change"
    changes = _changes(before, config)
    found = Plan(tenant=name, action=action, changes=changes, restart=needs_restart(before, config))
    if not may_reembed(before, config):
        return found
    loaded = await reembedding.survey(tenant, config)
    return found.model_copy(update=_about(tenant, config, loaded))


def _about(tenant: Tenant, config: TenantConfig, loaded: Loaded) -> dict[str, Any]:
    new = loaded.missing + loaded.derivable
    why = obstacle(tenant, config, loaded)
    answers = tenant.state is State.READY
    notes = []
    if not new:
        notes.append("the fingerprint stays, or all its vectors are there: nothing is encoded")
    if loaded.derivable:
        notes.append(f"{counted(loaded.derivable, 'vector')} cut from longer ones of the same model, not encoded")
    if loaded.old_mb:
        hours = counted(config.knowledge.old_vectors_hours, "hour")
        notes.append(
            f"vectors of other models ({loaded.old_mb} MiB) stay for {hours} (knowledge.old_vectors_hours), so "
            "that a change back encodes nothing, and go then"
        )
    if new and not answers:
        notes.append(f"it is {tenant.state}: the entries are encoded when it starts, and it answers when that is done")
    return {
        "reembed": new > 0,
        "online": answers and why is None if new else None,
        "obstacle": why,
        "loaded": loaded,
        "estimated_s": round(loaded.missing / loaded.texts_per_s, 1) if loaded.texts_per_s else None,
        "disk_mb": loaded.disk_mb,
        "notes": notes,
    }


def _changes(before: TenantConfig, after: TenantConfig) -> list[FieldChange]:
    ours, theirs = _flat(before), _flat(after)
    return [
        FieldChange(field=name, before=ours[name], after=theirs[name], effect=effect(name))
        for name in ours
        if ours[name] != theirs[name]
    ]


def _flat(config: TenantConfig) -> dict[str, Any]:
    return {
        f"{section}.{name}": value
        for section, fields in config.model_dump(mode="json").items()
        for name, value in fields.items()
    }
