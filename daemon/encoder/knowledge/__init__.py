"""One tenant's knowledge base: entries, vectors, history, answers and operations in one SQLite file."""

from daemon.encoder.knowledge.model import Checked, Committed, Diff, MissingVectors, WriteContext
from daemon.encoder.knowledge.recovery import Salvage, recover
from daemon.encoder.knowledge.store import Knowledge

__all__ = [
    "Checked",
    "Committed",
    "Diff",
    "Knowledge",
    "MissingVectors",
    "Salvage",
    "WriteContext",
    "recover",
]
