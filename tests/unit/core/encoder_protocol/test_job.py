"""The table of jobs, and the modules that do them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from daemon.core.encoder_protocol.job import Job
from daemon.encoder import jobs

SHARED = {"job"}  # how each of them begins and what it tells
BY_DOCTOR = {"acceptance"}  # processes of `vecward doctor --gpu`, which are no tenant's and no job of the daemon's


@pytest.mark.parametrize("job", Job)
def test_each_job_has_a_module_that_python_runs(job: Job) -> None:
    found = importlib.util.find_spec(job.module)
    assert found is not None
    assert found.origin is not None
    path = Path(found.origin)
    main = path.with_name("__main__.py") if path.name == "__init__.py" else path
    assert f"Job.{job.name}" in main.read_text()
    assert '__name__ == "__main__"' in main.read_text()


def test_each_module_is_in_the_table() -> None:
    folder = Path(str(jobs.__file__)).parent
    files = {path.stem for path in folder.glob("[!_]*.py")}
    there = files | {path.parent.name for path in folder.glob("*/__init__.py")}
    assert there - SHARED - BY_DOCTOR == {job.value for job in Job}
