"""Every path that an encoder answers."""

from __future__ import annotations

from daemon.core.config.tenant_config import TenantConfig
from daemon.encoder.changes.operations import Operations
from daemon.encoder.changes.pipeline import Changes
from daemon.encoder.changes.swap import Live
from daemon.encoder.handlers.backups import Backups
from daemon.encoder.handlers.entries import Entries
from daemon.encoder.handlers.exports import Exporting
from daemon.encoder.handlers.imports import Importing
from daemon.encoder.handlers.internal import Internal
from daemon.encoder.handlers.restores import Restores
from daemon.encoder.handlers.search import Searching
from daemon.encoder.handlers.vectors import Embedding
from daemon.encoder.http.app import Methods
from daemon.encoder.index.keeper import Keeper
from daemon.encoder.model_thread.batches import Batches
from daemon.encoder.model_thread.worker import Worker
from daemon.encoder.process.startup import Parts


def table(
    tenant: str,
    config: TenantConfig,
    parts: Parts,
    batches: Batches,
    worker: Worker,
    changes: Changes,
    keeper: Keeper,
    operations: Operations,
) -> dict[str, Methods]:
    base = f"/v1/tenants/{tenant}"
    knowledge = parts.knowledge
    searching = Searching(config, knowledge, worker, changes)
    entries = Entries(knowledge, changes, parts.backend.max_tokens)
    model = config.encoder.model or config.encoder.backend
    embedding = Embedding(knowledge, changes, worker, parts.backend, model)
    importing = Importing(knowledge, changes, operations)
    exporting = Exporting(tenant, knowledge, changes)
    backups = Backups(tenant, knowledge, parts.backend.fingerprint)
    live = Live(knowledge, changes, worker, batches, keeper)
    restores = Restores(tenant, config, live, operations, backups.copying)
    internal = Internal(knowledge, batches, worker, parts.canary, parts.storage)
    return {
        f"{base}/search": {"POST": searching.search},
        f"{base}/entries": {"GET": entries.page, "POST": entries.add, "PUT": entries.set},
        f"{base}/entries/*": {"GET": entries.get, "PATCH": entries.edit, "DELETE": entries.delete},
        f"{base}/entries/delete": {"POST": entries.delete_many},
        f"{base}/entries/*/vector": {"GET": embedding.of_entry},
        f"{base}/vector": {"POST": embedding.of_text},
        f"{base}/openai/embeddings": {"POST": embedding.openai_embeddings},
        f"{base}/openai/models": {"GET": embedding.openai_models},
        f"{base}/history": {"GET": entries.history},
        f"{base}/undo": {"POST": entries.undo},
        f"{base}/import": {"POST": importing.start},
        f"{base}/export": {"GET": exporting.export},
        f"{base}/backup": {"GET": backups.backup},
        f"{base}/restore": {"POST": restores.restore},
        f"{base}/operations/*": {"GET": operations.get, "DELETE": operations.cancel},
        f"{base}/operations/*/wait": {"GET": operations.wait},
        "/internal/health": {"GET": internal.health},
        "/internal/usage": {"GET": internal.usage},
    }
