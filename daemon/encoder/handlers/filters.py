"""Which entries a search's metadata filter means: looked up in the base once for each state of it."""

from __future__ import annotations

import json
from collections import OrderedDict

from daemon.core import wire
from daemon.encoder.changes.pipeline import Changes
from daemon.encoder.index.exact import Ids
from daemon.encoder.knowledge import Knowledge

_MOST_IDS = 1 << 20  # 8 MiB, of all that is remembered together


class Filters:
    """Used on the event loop. Least recently used goes first."""

    def __init__(self, knowledge: Knowledge, changes: Changes) -> None:
        self._knowledge = knowledge
        self._changes = changes
        self._revision = -1
        self._kept: OrderedDict[str, Ids] = OrderedDict()

    async def matching(self, metadata: wire.Metadata) -> Ids:
        revision = self._knowledge.revision
        if revision != self._revision:
            self._revision = revision
            self._kept.clear()
        key = json.dumps(metadata, sort_keys=True)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        found = await self._changes.read(lambda: self._knowledge.ids_with(metadata))
        if revision == self._revision == self._knowledge.revision and len(found) <= _MOST_IDS:
            self._keep(key, found)
        return found

    def _keep(self, key: str, found: Ids) -> None:
        self._kept[key] = found
        while sum(map(len, self._kept.values())) > _MOST_IDS:
            self._kept.popitem(last=False)
