"""JSON for log files and terminals: one line without unsafe characters."""

from __future__ import annotations

import json
from typing import Any

from daemon.core.unsafe_text import escape_json


def dumps(value: Any) -> str:
    """The value as JSON, in Unicode; what JSON has no type for is written as its str()."""
    return escape_json(json.dumps(value, ensure_ascii=False, default=str))
