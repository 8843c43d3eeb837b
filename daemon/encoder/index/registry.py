"""The kinds of index, by the name that `index.store` of a tenant's configuration gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from daemon.core.config.tenant_config import IndexConfig
from daemon.encoder.index.protocol import IndexKind


def _faiss() -> IndexKind:
    from daemon.encoder.index import exact

    return IndexKind(load=exact.load, build=exact.build)


# Each kind imports its libraries when it is chosen. The configuration refuses names that are not here.
KINDS: Mapping[str, Callable[[], IndexKind]] = {"faiss": _faiss}


def kind_of(config: IndexConfig) -> IndexKind:
    """Choose the kind of index that the configuration names."""
    return KINDS[config.store]()
