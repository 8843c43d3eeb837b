"""Vectors: of an entry, of any text, and in OpenAI's shape."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from daemon.core import wire
from daemon.core.errors import Invalid
from daemon.encoder.arrays import Vector
from daemon.encoder.changes.threads import Threads
from daemon.encoder.encoding.cut import cut_warnings
from daemon.encoder.handlers.entries import entry_id
from daemon.encoder.http.request import Request, refuse
from daemon.encoder.http.response import Response, respond
from daemon.encoder.knowledge import Knowledge, MissingVectors
from daemon.encoder.model_thread.worker import Worker
from daemon.encoder.models import Backend

MAX_INPUTS = 2048  # as OpenAI's


class Embeddings(BaseModel):
    """OpenAI's request; other fields are ignored, as they are there."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    input: str | Annotated[list[str], Field(min_length=1, max_length=MAX_INPUTS)]
    model: str | None = None
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None


class Embedding:
    def __init__(self, knowledge: Knowledge, threads: Threads, worker: Worker, backend: Backend, model: str) -> None:
        self._knowledge = knowledge
        self._threads = threads
        self._worker = worker
        self._backend = backend
        self._model = model

    async def of_entry(self, request: Request) -> Response:
        id_ = entry_id(request)
        dims = request.integer("dims", None, 1, wire.MAX_DIMS)
        fingerprint = self._backend.fingerprint
        try:
            vector = await self._threads.read(lambda: self._knowledge.vectors.of_entry(id_, fingerprint))
        except MissingVectors as missing:  # the entry was changed a moment ago
            vector = (await self._worker.documents(missing.texts)).vectors[0]
        return self._answer(vector, dims)

    async def of_text(self, request: Request) -> Response:
        asked = await request.json(wire.VectorRequest)
        text = wire.check_query(asked.text)
        if asked.kind == "query":
            return self._answer(await self._worker.query_vector(text), asked.dims)
        encoded = await self._worker.documents([text])
        return self._answer(encoded.vectors[0], asked.dims, cut=len(encoded.truncated))

    def _answer(self, vector: Vector, dims: int | None, cut: int = 0) -> Response:
        shown = wire.Vector(
            dimension=len(vector),
            norm=float(np.linalg.norm(vector)),
            fingerprint=self._backend.fingerprint,
            values=vector[:dims].tolist(),
            warnings=cut_warnings(cut, self._backend.max_tokens),
        )
        return respond(shown)

    # --- OpenAI's shape ---

    async def openai_embeddings(self, request: Request) -> Response:
        asked = await request.json(Embeddings)
        texts = [asked.input] if isinstance(asked.input, str) else asked.input
        if asked.dimensions not in (None, self._backend.dimension):
            raise refuse("dimensions", str(asked.dimensions), f"{self._backend.dimension}, or leave it out")
        encoded = await self._worker.documents([_sound(text) for text in texts])
        values = [_base64(row) if asked.encoding_format == "base64" else row.tolist() for row in encoded.vectors]
        return Response(to_json(self._list(values, encoded.tokens)))

    def _list(self, values: list[Any], tokens: int) -> dict[str, Any]:
        data = [{"object": "embedding", "index": at, "embedding": value} for at, value in enumerate(values)]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "data": data, "model": self._model, "usage": usage}

    async def openai_models(self, _request: Request) -> Response:
        model = {"id": self._model, "object": "model", "created": 0, "owned_by": "vecward"}
        return respond({"object": "list", "data": [model]})


def _base64(row: Vector) -> str:
    return base64.b64encode(row.astype("<f4").tobytes()).decode("ascii")


def _sound(text: str) -> str:
    """Refuse a text that is empty, as OpenAI does, or too long. Raises Invalid."""
    if not text.strip():
        raise Invalid(
            "cannot embed an empty text; leave it out", field="input", value="", allowed="1 character or more"
        )
    if len(text.encode()) > wire.MAX_ENTRY_BYTES:
        raise refuse("input", text, f"at most {wire.MAX_ENTRY_BYTES} bytes a text")
    return text
