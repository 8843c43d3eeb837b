"""Answers as the daemon gives them, for the client's and the command line's tests."""

from __future__ import annotations

from typing import Any

AT = "2025-01-02T03:04:05Z"
REVISION = 7

ENTRY: dict[str, Any] = {
    "id": 3,
    "text": "lost my password",
    "metadata": {"by": "zhang"},
    "created_at": AT,
    "updated_at": AT,
}
ADDED: dict[str, Any] = {"added": [3, 4], "refused": [], "revision": REVISION}
PLAN: dict[str, Any] = {"added": 1, "removed": 1, "unchanged": 2, "refused": [], "revision": REVISION}
ENTRIES: dict[str, Any] = {"entries": [ENTRY], "next": None, "total": 1, "revision": REVISION}
CHANGE: dict[str, Any] = {
    "revision": 8,
    "at": AT,
    "actor": "uid:0",
    "kind": "undo",
    "added": 1,
    "removed": 2,
    "edited": 3,
}
SEARCHED: dict[str, Any] = {
    "results": [{"id": 3, "text": "lost my password", "metadata": {}, "score": 0.9}],
    "revision": REVISION,
    "timing": {"queue_ms": 0.1, "encode_ms": 2.0, "search_ms": 0.2},
}
VECTOR: dict[str, Any] = {"dimension": 4, "norm": 1.0, "fingerprint": "fake", "values": [0.5, -0.5, 0.5, -0.5]}
TENANT: dict[str, Any] = {
    "name": "acme",
    "title": {"en": "Sales", "zh": "销售部"},
    "state": "ready",
    "goal": "up",
    "uptime_s": 61.0,
    "restarts": 2,
    "entries": 12,
    "device": "cpu",
    "isolation": "process",
    "memory_mb": 120.4,
    "role": "admin",
}
TENANTS: dict[str, Any] = {"tenants": [TENANT], "next": None, "total": 1}
HEALTH: dict[str, Any] = {"status": "ok", "version": "0.1.0", "uptime_s": 3.0}
INFO: dict[str, Any] = {
    "version": "0.1.0",
    "isolation": "process",
    "admin": True,
    "caller": ["uid:0"],
    "tenants": 1,
    "lacking": [],
    "disk": "watch",
}
EVENT: dict[str, Any] = {"id": 1, "at": AT, "name": "tenant-ready", "tenant": "acme", "data": {"entries": 12}}
LOG_LINE: dict[str, Any] = {"at": AT, "level": "info", "event": "encoder-ready", "tenant": "acme", "entries": 12}

USAGE: dict[str, Any] = {
    "usage": [
        {
            "tenant": "acme",
            "day": "2025-01-02",
            "queries": 1234,
            "texts": 56,
            "tokens": 7890,
            "encoder_s": 12.34,
            "storage_bytes": 3 << 20,
        },
    ],
}


def operation(state: str = "running", **more: Any) -> dict[str, Any]:
    ended = None if state == "running" else "2025-01-02T03:04:07Z"
    fields = {"id": "d-1", "kind": "start", "tenant": "acme", "state": state, "started_at": AT, "ended_at": ended}
    return {"operation": {**fields, **more}}


TENANT_PLAN: dict[str, Any] = {
    "tenant": "acme",
    "action": "change",
    "restart": True,
    "reembed": False,
    "notes": [],
    "changes": [{"field": "limits.cpus", "before": None, "after": 2.0, "effect": "restart"}],
}
OPENAPI: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "vecward", "version": "0.1.0"},
    "paths": {},
    "components": {"schemas": {}},
}
