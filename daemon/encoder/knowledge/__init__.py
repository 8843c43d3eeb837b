"""One tenant's knowledge base: entries, vectors, history, answers and operations in one SQLite file."""

from daemon.encoder.knowledge.model import Checked, Committed, Diff, MissingVectors, Reply, WriteContext
from daemon.encoder.knowledge.store import Knowledge

__all__ = ["Checked", "Committed", "Diff", "Knowledge", "MissingVectors", "Reply", "WriteContext"]
