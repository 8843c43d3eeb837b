"""The vector index over one knowledge base: exact, in memory, always rebuildable from the base."""

from daemon.encoder.index.exact import ExactIndex

__all__ = ["ExactIndex"]
