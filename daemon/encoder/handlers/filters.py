"""The entries that a search's metadata filter keeps, looked up in the base once for each of its revisions."""

from __future__ import annotations

import json

from cachetools import LRUCache

from daemon.core import wire
from daemon.encoder.arrays import Ids
from daemon.encoder.changes.threads import Threads
from daemon.encoder.knowledge import Knowledge

_MOST_IDS = 1 << 20  # 8 MiB, of all filters together
_OVERHEAD = 64  # what a filter itself takes, counted in ids


class Filters:
    """The ids of the last filters, for the event loop alone; the least recently used filter goes first."""

    def __init__(self, knowledge: Knowledge, threads: Threads) -> None:
        self._reads = knowledge.reads
        self._threads = threads
        self._revision = -1
        self._kept: LRUCache[str, Ids] = LRUCache(_MOST_IDS, getsizeof=_size)

    async def matching(self, metadata: wire.Metadata) -> Ids:
        """Find the entries whose metadata has all these values."""
        revision = self._reads.revision
        if revision != self._revision:
            self._revision = revision
            self._kept.clear()
        key = json.dumps(metadata, sort_keys=True)
        kept = self._kept.get(key)
        if kept is not None:
            return kept
        found = await self._threads.read(lambda: self._reads.ids_with(metadata))
        if revision == self._revision == self._reads.revision and _size(found) <= _MOST_IDS:
            self._kept[key] = found
        return found


def _size(found: Ids) -> int:
    return len(found) + _OVERHEAD
