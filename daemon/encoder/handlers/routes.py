"""The handler of each route that an encoder answers."""

from __future__ import annotations

from collections.abc import Mapping

from daemon.core.config.tenant_config import TenantConfig
from daemon.core.http.encoder_routes import ENCODER_ROUTES
from daemon.encoder.changes.operations import Operations
from daemon.encoder.changes.swap import Live
from daemon.encoder.handlers.backups import Backups
from daemon.encoder.handlers.entries import Entries
from daemon.encoder.handlers.exports import Exports
from daemon.encoder.handlers.imports import Imports
from daemon.encoder.handlers.internal import Internal
from daemon.encoder.handlers.restores import Restores
from daemon.encoder.handlers.search import Searching
from daemon.encoder.handlers.vectors import Embedding
from daemon.encoder.http.app import Handler, Methods
from daemon.encoder.process.startup import Parts


def table(tenant: str, config: TenantConfig, parts: Parts, live: Live, operations: Operations) -> Mapping[str, Methods]:
    """List the handlers of one tenant by path and method, and those for the daemon alone."""
    internal = Internal(parts.knowledge, live.batches, live.worker, parts.canary, parts.storage)
    return {
        **by_path(tenant, handlers(tenant, config, parts, live, operations)),
        "/internal/health": {"GET": internal.health},
        "/internal/usage": {"GET": internal.usage},
    }


def handlers(
    tenant: str, config: TenantConfig, parts: Parts, live: Live, operations: Operations
) -> Mapping[str, Handler]:
    """Name the handler of each row of `ENCODER_ROUTES`."""
    knowledge, threads, changes, worker = live.knowledge, live.threads, live.changes, live.worker
    max_tokens = parts.backend.max_tokens
    entries = Entries(knowledge, threads, changes, max_tokens)
    model = config.encoder.model or config.encoder.backend
    embedding = Embedding(knowledge, threads, worker, parts.backend, model)
    backups = Backups(tenant, knowledge, parts.backend.fingerprint)
    return {
        "search": Searching(config, knowledge, worker, threads).search,
        "entries": entries.page,
        "add_entries": entries.add,
        "set_entries": entries.set,
        "delete_entries": entries.delete_many,
        "entry": entries.get,
        "edit_entry": entries.edit,
        "delete_entry": entries.delete,
        "history": entries.history,
        "undo": entries.undo,
        "entry_vector": embedding.of_entry,
        "vector": embedding.of_text,
        "openai_embeddings": embedding.openai_embeddings,
        "openai_models": embedding.openai_models,
        "import_entries": Imports(knowledge, threads, changes, operations, max_tokens).start,
        "export_entries": Exports(tenant, knowledge, threads).export,
        "backup": backups.backup,
        "restore": Restores(tenant, config, live, operations, backups.copying).restore,
        "encoder_operation": operations.get,
        "wait_encoder_operation": operations.wait,
        "cancel_encoder_operation": operations.cancel,
    }


def by_path(tenant: str, named: Mapping[str, Handler]) -> Mapping[str, Methods]:
    """Sort handlers by path and method, with `*` for a segment that stands for any value."""
    found: dict[str, dict[str, Handler]] = {}
    for name, route in ENCODER_ROUTES.items():
        path = route.path.replace("{tenant}", tenant)
        pattern = "/".join("*" if "{" in segment else segment for segment in path.split("/"))
        found.setdefault(pattern, {})[route.method] = named[name]
    return found
