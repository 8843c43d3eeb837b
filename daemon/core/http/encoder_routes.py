"""The routes that an encoder answers, as the API's rows and the encoder's handlers name them.

The API checks the caller's rights and relays a request as it is, so both sides have the same paths. A row here needs
one in `daemon/api/routes.py` (who may ask) and a handler in `daemon/encoder/handlers/routes.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

TENANT = "/v1/tenants/{tenant}"


@dataclass(frozen=True)
class EncoderRoute:
    """A method and a path, whose segments in braces stand for any value."""

    method: str
    path: str


def _row(line: str) -> EncoderRoute:
    method, tail = line.split()
    return EncoderRoute(method, f"{TENANT}/{tail}")


ENCODER_ROUTES: Mapping[str, EncoderRoute] = {
    "encoder_operation": _row("GET operations/e-{operation}"),
    "wait_encoder_operation": _row("GET operations/e-{operation}/wait"),
    "cancel_encoder_operation": _row("DELETE operations/e-{operation}"),
    "entries": _row("GET entries"),
    "add_entries": _row("POST entries"),
    "set_entries": _row("PUT entries"),
    "delete_entries": _row("POST entries/delete"),
    "entry": _row("GET entries/{entry}"),
    "edit_entry": _row("PATCH entries/{entry}"),
    "delete_entry": _row("DELETE entries/{entry}"),
    "import_entries": _row("POST import"),
    "export_entries": _row("GET export"),
    "history": _row("GET history"),
    "undo": _row("POST undo"),
    "backup": _row("GET backup"),
    "restore": _row("POST restore"),
    "search": _row("POST search"),
    "entry_vector": _row("GET entries/{entry}/vector"),
    "vector": _row("POST vector"),
    "openai_embeddings": _row("POST openai/embeddings"),
    "openai_models": _row("GET openai/models"),
}
