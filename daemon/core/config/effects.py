"""The cost of a changed field in a tenant's file: nothing, a restart of its encoder, or new vectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from daemon.core.config.backends import BACKENDS
from daemon.core.config.tenant_config import TenantConfig

Effect = Literal["daemon", "restart", "re-embed"]

# Fields that the daemon reads at each use, by section; True stands for the whole section.
DAEMONS_OWN: Mapping[str, set[str] | bool] = {
    "title": True,
    "access": True,
    "search": {"wait_s", "wake_wait_s", "threshold", "deadline_s", "chunk_deadline_s", "examples"},
    "limits": {"park_after_s", "on_memory_limit", "start_s"},
}
# Fields of `encoder` that a stored vector depends on (daemon/README.md, "Encoding").
FINGERPRINTED = ("backend", "model", "revision", "dtype", "document_prompt", "max_tokens", "dimensions")


def needs_restart(before: TenantConfig, after: TenantConfig) -> bool:
    """Tell whether the encoder must start anew to run with `after`."""
    return _encoders_part(before) != _encoders_part(after)


def may_reembed(before: TenantConfig, after: TenantConfig) -> bool:
    """Tell whether the fingerprint may differ; only the model's files tell whether it does."""
    return _fingerprinted(before) != _fingerprinted(after)


def effect(field: str) -> Effect:
    """Return what a change of this field (`section.name`) does."""
    section, _, name = field.partition(".")
    own = DAEMONS_OWN.get(section, set())
    if own is True or (isinstance(own, set) and name in own):
        return "daemon"
    return "re-embed" if section == "encoder" and name in (*FINGERPRINTED, *_owned()) else "restart"


def _owned() -> list[str]:
    """List the fields that belong to one backend alone; a vector may depend on any of them."""
    return [name for facts in BACKENDS.values() for name in facts.owns]


def _encoders_part(config: TenantConfig) -> dict[str, Any]:
    return config.model_dump(exclude=dict(DAEMONS_OWN))


def _fingerprinted(config: TenantConfig) -> list[Any]:
    encoder = config.encoder
    return [*(getattr(encoder, name) for name in FINGERPRINTED), encoder.fake.dimension if encoder.fake else None]
