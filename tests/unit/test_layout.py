from __future__ import annotations

from pathlib import Path

import daemon


def test_daemon_is_ours():
    """PyPI's python-daemon has the same import name (daemon/README.md, "Layout")."""
    assert Path(daemon.__file__).resolve() == Path(__file__).resolve().parents[2] / "daemon" / "__init__.py"
