"""The backend: a model of the library, as configured, behind the Protocol of daemon.encoder.models.backend."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from daemon.core.config.tenant_config import EncoderConfig, LimitsConfig
from daemon.core.errors import StartRefused
from daemon.core.paths import TenantPaths
from daemon.encoder.models import manifest, places
from daemon.encoder.models.backend import Encoded
from daemon.encoder.models.places import ModelPlace
from daemon.encoder.models.sentence_transformers import device as devices
from daemon.encoder.models.sentence_transformers import limits, loading, packed_linear
from daemon.encoder.models.sentence_transformers.encoders import (
    DOCUMENT,
    QUERY,
    Encoder,
    PlainEncoder,
    TokenEncoder,
    has_settable_limit,
    reads_tokens,
)
from daemon.encoder.models.sentence_transformers.loading import Files
from daemon.encoder.models.sentence_transformers.prompts import document_prompt, query_prompt
from daemon.encoder.models.sentence_transformers.tokens import Side

_LONG_PROMPT = 120


class SentenceTransformersBackend:
    def __init__(self, config: EncoderConfig, paths: TenantPaths, tenant_limits: LimitsConfig) -> None:
        """Load the model. Raises StartRefused; ImportError if a package is missing."""
        place = places.find(config, paths)
        places.refuse_pickles(place, trusted=config.trust_remote_code)
        files = Files.read(place.folder)
        preset = files.preset(place.name)
        device = devices.prepare(config.device, tenant_limits)
        model = loading.load(config, place, device, preset)
        if preset is not None and not files.has_modules:
            _pool_by(model, preset.pooling)
        self.device = device.words
        self.dimension = limits.dimension(model, config.dimensions, place.name)
        for_query, for_document = query_prompt(model, config, files, preset), document_prompt(model, config)
        most = limits.document_limit(model, config, place.name)
        self.fingerprint = _fingerprint(
            f"{place.name}@{_identity(config, place, paths)[:16]}",
            str(model.dtype).removeprefix("torch."),
            _modules(model),
            f"prompt={_shown(for_document)}",
            f"max_tokens={most}",
            f"d{self.dimension}",
            "l2",
        )
        if not device.is_gpu:
            packed_linear.pack(model)
        self._encoder: Encoder
        if reads_tokens(model, preset, (for_query, for_document)):
            self._encoder = TokenEncoder(model, device, preset, self.dimension, config.batch_tokens)
        else:
            _refuse_unused_limit(model, config, place)
            self._encoder = PlainEncoder(model, device, self.dimension, config.batch_tokens)
        self._documents = Side(DOCUMENT, for_document, most)
        prompt_tokens = self._encoder.count(for_query)
        self._queries = Side(QUERY, for_query, limits.query_limit(model, config, prompt_tokens))

    @property
    def batch_tokens(self) -> int:
        return self._encoder.batch_tokens

    @property
    def max_tokens(self) -> int:
        return self._documents.limit

    def encode_queries(self, texts: Sequence[str]) -> Encoded:
        return self._encoder.encode(texts, self._queries)

    def encode_documents(self, texts: Sequence[str]) -> Encoded:
        return self._encoder.encode(texts, self._documents)

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Count tokens exactly, on any thread; encode_documents does not read these texts again."""
        return self._encoder.measure(texts, self._documents)


def _pool_by(model: Any, mode: str) -> None:
    """Set the pooling of a model whose folder lacks the library's own files: the library has guessed it."""
    for module in model:
        if hasattr(module, "pooling_mode"):
            module.pooling_mode = mode


def _refuse_unused_limit(model: Any, config: EncoderConfig, place: ModelPlace) -> None:
    if config.max_tokens is not None and not has_settable_limit(model):
        raise StartRefused(
            f"cannot use encoder.max_tokens {config.max_tokens}: {place.name} reads texts of any length; leave it out"
        )


def _identity(config: EncoderConfig, place: ModelPlace, paths: TenantPaths) -> str:
    """Make a checksum of the files, not of their place: a model that is copied or moved embeds nothing anew."""
    names = manifest.wanted(manifest.files_below(place.folder), pickled=config.trust_remote_code)
    fetched = manifest.read(place.folder)
    if fetched is None:
        return manifest.identity(manifest.Checksums(paths.models / ".checksums.json").of(place.folder, names))
    for name in names:
        known = fetched.files.get(name)
        if known is None or known.size != (place.folder / name).stat().st_size:
            raise StartRefused(
                f"cannot use {place.folder}: {name} is not the file that was fetched; run "
                f"`vecward model fetch {paths.data.name}` again"
            )
    return manifest.identity({name: fetched.files[name].sha256 for name in names})


def _modules(model: Any) -> str:
    """Name the modules, such as Transformer+Pooling(lasttoken)+Normalize."""
    return "+".join(
        f"{type(module).__name__}({module.pooling_mode})" if hasattr(module, "pooling_mode") else type(module).__name__
        for module in model
    )


def _shown(prompt: str) -> str:
    if len(prompt) <= _LONG_PROMPT:
        return repr(prompt)
    return f"sha256:{hashlib.sha256(prompt.encode()).hexdigest()}"


def _fingerprint(*parts: str) -> str:
    return " ".join(("sentence-transformers", *parts))
