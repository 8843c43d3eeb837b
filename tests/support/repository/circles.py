"""Circles among modules, those of types included: `python -m tests.support.repository.circles` lists them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

import grimp

PACKAGES = ("daemon", "console")


def imports() -> dict[str, set[str]]:
    """The modules of the product, each with those that it imports, for types alone too."""
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=False, cache_dir=None)
    return {module: set(graph.find_modules_directly_imported_by(module)) for module in graph.modules}


def on_circles(imported: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    """The modules that lie on a circle or between two, each with its imports among them; empty: there is no circle."""
    left = {module: set(found) for module, found in imported.items()}
    while ends := {module for module in left if not left[module] or _nobody_imports(module, left)}:
        left = {module: found - ends for module, found in left.items() if module not in ends}
    return left


def _nobody_imports(module: str, imported: Mapping[str, set[str]]) -> bool:
    return not any(module in found for found in imported.values())


def lines() -> list[str]:
    """Each module that `on_circles` finds in the product, as a line."""
    return [f"{module} imports {', '.join(sorted(found))}" for module, found in sorted(on_circles(imports()).items())]


if __name__ == "__main__":
    found = lines()
    sys.stdout.write("".join(f"{line}\n" for line in found))
    sys.exit(bool(found))
