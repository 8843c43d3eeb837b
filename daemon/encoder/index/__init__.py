"""The vector index over one knowledge base, always rebuildable from the base."""

from daemon.encoder.index.protocol import BadSnapshot, Index, IndexKind, Moment
from daemon.encoder.index.registry import kind_of

__all__ = ["BadSnapshot", "Index", "IndexKind", "Moment", "kind_of"]
