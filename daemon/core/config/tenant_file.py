"""A tenant's file, `tenants.d/<name>.yaml`, as it was read: its configuration, or the error that stands against it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from daemon.core.config import strict_yaml
from daemon.core.config.strict_model import check
from daemon.core.config.strict_yaml import Document, Location
from daemon.core.config.tenant_config import TenantConfig
from daemon.core.errors import Invalid, InvalidConfig
from daemon.core.wire import shorten

NAME = re.compile(r"[a-z][a-z0-9-]{0,27}")  # "vw-" and 28 more fit Linux's 31 characters for a user name
NAME_ALLOWED = "1 to 28 of a-z, 0-9 and -, beginning with a letter"
DEVICE: Location = ("encoder", "device")
SEED: Location = ("knowledge", "seed")


def check_name(name: str) -> str:
    """Return the name; raises Invalid when it can't name a tenant."""
    if not NAME.fullmatch(name):
        raise Invalid(
            f"cannot use {shorten(name, 40)!r} as a tenant's name; allowed: {NAME_ALLOWED}",
            field="name",
            value=shorten(name, 40),
            allowed=NAME_ALLOWED,
        )
    return name


@dataclass(frozen=True)
class TenantFile:
    """One file in tenants.d: its configuration, or the error that keeps this tenant alone from running.

    `lines` holds the lines of DEVICE and SEED, the two fields that are checked against other tenants' files.
    """

    name: str
    path: Path
    config: TenantConfig | None = None
    error: InvalidConfig | None = None
    lines: Mapping[Location, int] = field(default_factory=dict)

    @property
    def gpu(self) -> str | None:
        """The GPU that it names, as it is written; None for `cpu` and `auto`."""
        device = self.config.encoder.device if self.config is not None else ""
        return device if device.startswith("cuda:") else None

    @property
    def shares_gpu(self) -> bool:
        return self.config is not None and self.config.limits.gpu_sharing == "allowed"

    @property
    def seed(self) -> Path | None:
        if self.config is None or self.config.knowledge.seed is None:
            return None
        return self.path.parent / self.config.knowledge.seed

    def refuse(self, location: Location, value: object, allowed: str, problem: str) -> NoReturn:
        """Raise InvalidConfig about the field at this location."""
        name = ".".join(map(str, location))
        strict_yaml.refuse(self.path, self.lines.get(location, 1), name, value, allowed, problem)


def parse_tenant(raw: bytes, path: Path) -> TenantFile:
    """Read a tenant's file from YAML bytes that stand, or would stand, in `path`. Raises InvalidConfig."""
    return _checked(strict_yaml.parse(raw, path))


def load_tenant(path: Path) -> TenantFile:
    """Read one tenant's file; the error is in the answer, not raised, so that other tenants run on."""
    name = path.stem
    try:
        if not NAME.fullmatch(name):
            strict_yaml.refuse(path, 1, "file name", name, NAME_ALLOWED, "can't name a tenant")
        file = _checked(strict_yaml.load(path))
        check_seed(file)
    except InvalidConfig as error:
        return TenantFile(name, path, error=error)
    return file


def _checked(document: Document) -> TenantFile:
    lines = {location: document.line_of(location) for location in (DEVICE, SEED)}
    return TenantFile(document.path.stem, document.path, config=check(TenantConfig, document), lines=lines)


def check_seed(file: TenantFile) -> None:
    """Refuse a seed that can't be used: raises InvalidConfig."""
    if file.seed is not None and (problem := _seed_problem(file.seed)):
        file.refuse(SEED, file.seed.name, "a file beside the YAML", problem)


def _seed_problem(path: Path) -> str | None:
    """Return why a seed can't be used; a link could lead root, who opens it for the tenant, to another's file."""
    if path.is_symlink():
        return "is a link"
    if not path.exists():
        return "is not there"
    return None if path.is_file() else "is not a regular file"
