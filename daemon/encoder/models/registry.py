"""The loaders of the backends; what can't be loaded is refused with the way out, never replaced."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from daemon.core.config.tenant_config import EncoderConfig, LimitsConfig
from daemon.core.errors import StartRefused
from daemon.core.paths import TenantPaths
from daemon.encoder.models.backend import Backend

Loader = Callable[[EncoderConfig, TenantPaths, LimitsConfig], Backend]


def _fake(config: EncoderConfig, _paths: TenantPaths, _limits: LimitsConfig) -> Backend:
    from daemon.encoder.models.fake import FakeBackend

    return FakeBackend(config)


def _use_multilingual(config: EncoderConfig, _paths: TenantPaths, _limits: LimitsConfig) -> Backend:
    from daemon.encoder.models.use_multilingual import UseMultilingual

    return UseMultilingual(config)


def _sentence_transformers(config: EncoderConfig, paths: TenantPaths, limits: LimitsConfig) -> Backend:
    from daemon.encoder.models import places

    places.find(config, paths)  # a missing model is said even where the libraries are missing, too
    # Read when PyTorch's OpenMP is loaded. Its threads wait for each other by spinning otherwise: measured beside
    # other busy processes on two cores, 180 ms for a query (up to 1.7 s) instead of 16 ms (up to 51 ms).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from daemon.encoder.models.sentence_transformers.backend import SentenceTransformersBackend

    return SentenceTransformersBackend(config, paths, limits)


# By the names of `core/config/backends.py`.
LOADERS: Mapping[str, Loader] = {
    "fake": _fake,
    "use-multilingual": _use_multilingual,
    "sentence-transformers": _sentence_transformers,
}


def load(config: EncoderConfig, paths: TenantPaths, limits: LimitsConfig = LimitsConfig()) -> Backend:  # noqa: B008  (frozen)
    """Load the tenant's model, ready to encode. Raises StartRefused.

    Each backend's libraries are imported here and not before: a tenant pays for its own model alone.
    """
    try:
        return LOADERS[config.backend](config, paths, limits)
    except ImportError as error:
        raise StartRefused(
            f"cannot load the backend {config.backend}: the Python package {error.name} is missing; "
            f"install it with: pip install 'vecward{config.facts.extra}'",
            backend=config.backend,
            package=error.name,
        ) from error
    except OSError as error:
        raise StartRefused(
            f"cannot read the model of the backend {config.backend}: {error}; reinstall vecward or fetch it again",
            backend=config.backend,
        ) from error
