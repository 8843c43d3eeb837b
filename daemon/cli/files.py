"""Files that a command writes: whole or not at all, for their owner alone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from daemon.core.errors import Invalid


def write_whole(output: Path, chunks: Iterable[bytes], check: Callable[[Path], None] = lambda _: None) -> None:
    """Replaces the file in one step, once `check` has passed what was written: what breaks off leaves the older one.

    Raises Invalid for a place that can't be written, and what `chunks` and `check` raise.
    """
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{output.name}.", dir=output.parent)
    except OSError as error:
        raise Invalid(
            f"cannot write {output}: {error.strerror}", field="output", value=str(output), allowed="a writable folder"
        ) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())
        check(Path(temporary))
        Path(temporary).replace(output)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
