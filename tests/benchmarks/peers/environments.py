"""A virtual environment for each peer, made once and kept: peers pin each other's libraries out."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

# The processor's build of torch, and the same one on all sides; plain "torch" would bring CUDA's gigabytes.
TORCH = "torch==2.13.0"
TRANSFORMERS = "sentence-transformers==6.2.0"

REQUIREMENTS = {
    "txtai": (TORCH, TRANSFORMERS, "txtai==9.14.0", "faiss-cpu"),
    "chroma": (TORCH, TRANSFORMERS, "chromadb==1.5.9"),
    "infinity": (TORCH, "infinity-emb[server]==0.0.78", "sentence-transformers<6", "transformers<5", "click<8.2"),
    "plot": ("matplotlib",),
}


def python(name: str, cache: Path) -> Path:
    """The interpreter of the environment `name`, which is made if it is not there, or was made for other packages."""
    wanted = REQUIREMENTS[name]
    folder = cache / f"{name}-{hashlib.sha256(repr(wanted).encode()).hexdigest()[:12]}"
    done = folder / "complete"
    if not done.exists():
        print(f"installing {' '.join(wanted)} into {folder}", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        subprocess.run([folder / "bin/python", "-m", "pip", "install", "--quiet", *wanted], check=True)
        done.touch()
    return folder / "bin/python"
