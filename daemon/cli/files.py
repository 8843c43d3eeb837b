"""Files that a command writes: whole or not at all, readable by their owner alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

from daemon.core.errors import Invalid
from daemon.core.files.replace import replacing


def write_whole(output: Path, chunks: Iterable[bytes], check: Callable[[Path], None] = lambda _: None) -> None:
    """Replace the file in one step, once `check` has passed the new one; a failure leaves the older one.

    Raises Invalid for a place that can't be written, and the errors of `chunks` and `check`.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(replacing(output))
        except OSError as error:
            message = f"cannot write {output}: {error.strerror}"
            raise Invalid(message, field="output", value=str(output), allowed="a writable folder") from None
        file.writelines(chunks)
        file.flush()
        check(Path(file.name))
