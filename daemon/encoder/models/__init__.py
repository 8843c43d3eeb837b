"""Backends: what turns texts into vectors. `load` makes one from a tenant's configuration."""

from daemon.encoder.models.backend import CANARIES, Backend, Encoded
from daemon.encoder.models.registry import load

__all__ = ["CANARIES", "Backend", "Encoded", "load"]
