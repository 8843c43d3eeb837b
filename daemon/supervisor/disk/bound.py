"""The bound on a tenant's folder, which the daemon keeps whatever the encoder does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bound:
    """The most that may lie in a tenant's folder."""

    megabytes: int
    files: int


def bound_of(disk_mb: int | None) -> Bound | None:
    """The bound that follows from `limits.disk_mb`; None where there is no limit.

    An encoder keeps to `limits.disk_mb` by itself. The bound is wider, because for a while a second copy may lie
    beside the first: a backup that is restored, a schema that is migrated, an index that is written.
    """
    return None if disk_mb is None else Bound(2 * disk_mb + 64, 10_000 + 16 * disk_mb)
