"""The folder tenants.d as a whole: every tenant's file, and the checks that need more than one file.

Of two files that name one GPU, one is refused. A file whose seed is another tenant's is refused, too: it would read
the other's texts into its own base.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from daemon.core.config.tenant_file import DEVICE, SEED, TenantFile, load_tenant
from daemon.core.errors import InvalidConfig

Stamp = tuple[int, int, int]  # inode, size, time of change: what tells a changed file from an unchanged one
Had = Callable[[str], str | None]

_GPUS = "a GPU that no other tenant's file names, auto, or limits.gpu_sharing: allowed in both files"


def read_tenants(folder: Path) -> dict[str, TenantFile]:
    """Read every `*.yaml` in `folder`, each checked alone; by tenant name."""
    if not folder.is_dir():
        return {}
    found = [load_tenant(path) for path in sorted(folder.glob("*.yaml"))]
    return {tenant.name: tenant for tenant in found}


class TenantFolder:
    """The folder, each file checked alone; a file that has not changed is not read again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: dict[str, tuple[Stamp, TenantFile]] = {}

    def changed(self) -> bool:
        """Tell whether a file came, went or changed since the last `read`."""
        return self._stamps() != {name: stamp for name, (stamp, _) in self._known.items()}

    def read(self, *, everything: bool = False) -> dict[str, TenantFile]:
        """Return the files by tenant name.

        A file that was refused is read again although it has not changed: the seed that it lacked may be there now.
        """
        before = {} if everything else self._known
        self._known = {name: (stamp, self._load(name, stamp, before)) for name, stamp in self._stamps().items()}
        return {file.name: file for _, file in self._known.values()}

    def _load(self, name: str, stamp: Stamp, before: Mapping[str, tuple[Stamp, TenantFile]]) -> TenantFile:
        known, file = before.get(name, (None, None))
        return file if file is not None and known == stamp and file.error is None else load_tenant(self.path / name)

    def _stamps(self) -> dict[str, Stamp]:
        """Return each file's stamp; taken before the files are read, so that a later write is found the next time."""
        found = {}
        for path in sorted(self.path.glob("*.yaml")):
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            found[path.name] = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        return found


def load_tenants(folder: Path) -> dict[str, TenantFile]:
    """Read every file and check it beside the others: of two that name one GPU, the first by name is good."""
    return {file.name: file for file in check_together(read_tenants(folder).values())}


def check_files(paths: Sequence[Path]) -> list[TenantFile]:
    """Read these files, and check each beside the others and beside what lies in their folders already."""
    folders = {path.parent for path in paths}
    named = {path.absolute() for path in paths}
    beside = [file for folder in sorted(folders) for file in read_tenants(folder).values()]
    before = [file for file in beside if file.path.absolute() not in named]
    return check_together([*before, *map(load_tenant, paths)])[len(before) :]


def check_together(files: Iterable[TenantFile]) -> list[TenantFile]:
    """Return the files in their order, with an error in each that can't stand beside the earlier ones.

    Two files of one tenant do not exclude each other. `cuda:0` and a UUID are compared as they are written: that they
    are one GPU only the driver knows, and the lock of the GPU (`supervisor/gpu/locks.py`) keeps the second from
    starting.
    """
    files = list(files)
    names = {file.name for file in files}
    good: list[TenantFile] = []
    checked = []
    for file in files:
        try:
            _check_seed(file, names)
            _check_gpu(file, good)
        except InvalidConfig as error:
            checked.append(replace(file, config=None, error=error))
        else:
            good.append(file)
            checked.append(file)
    return checked


def settle(files: Mapping[str, TenantFile], in_force: Mapping[str, TenantFile], had: Had) -> dict[str, TenantFile]:
    """Check the files together: of those that name one GPU, the tenant that has it keeps it, else the first by name.

    Args:
        in_force: the configurations that tenants run on; where a file is bad the tenant stays on that one, and so
            does its claim.
        had: the GPU that a tenant has, or was last seen with, as it was written.
    """
    wanted = sorted(files.values(), key=lambda file: (had(file.name) != file.gpu, file.name))
    stays: dict[str, TenantFile] = {}
    while True:
        checked = {file.name: file for file in check_together([*stays.values(), *wanted])[len(stays) :]}
        refused = {name for name, file in checked.items() if file.error is not None}
        more = {name: in_force[name] for name in refused & in_force.keys() - stays.keys()}
        if not more:
            return {name: checked[name] for name in files}
        stays |= more


def check_beside(file: TenantFile, others: Iterable[TenantFile]) -> None:
    """Refuse a file that can't stand beside the others, which came first: raises InvalidConfig."""
    *_, checked = check_together([*others, file])
    if checked.error is not None:
        raise checked.error


def _check_seed(file: TenantFile, names: set[str]) -> None:
    """Refuse a seed of another tenant's; acme.entries.txt and acme.yaml are acme's by the beginning of their names."""
    if file.seed is None:
        return
    owner = file.seed.name.partition(".")[0]
    if owner in names and owner != file.name:
        allowed = f"a file whose name begins with {file.name}., or with no other tenant's"
        file.refuse(SEED, file.seed.name, allowed, f"belongs to tenant {owner}")


def _check_gpu(file: TenantFile, earlier: Iterable[TenantFile]) -> None:
    for other in earlier if file.gpu is not None else ():
        if _exclude_each_other(file, other):
            where = f"{other.path}, line {other.lines.get(DEVICE, 1)}"
            file.refuse(DEVICE, file.gpu, _GPUS, f"{file.gpu} is given to tenant {other.name} already ({where})")


def _exclude_each_other(file: TenantFile, other: TenantFile) -> bool:
    if file.gpu != other.gpu or file.name == other.name:
        return False
    return not (file.shares_gpu and other.shares_gpu)
