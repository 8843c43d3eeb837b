#!/usr/bin/env bash
# Measures the branch coverage of the rooms on which isolation, rights and durability stand, daemons that tests start
# included, and fails below 90 %. Arguments go to pytest: which tests to run; default: those of these rooms.
#   VECWARD_TEST_VENV  the virtual environment of deploy/test.sh; default .venv-test in the checkout
set -euo pipefail

checkout=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cd -- "$checkout"
python=${VECWARD_TEST_VENV:-$checkout/.venv-test}/bin/python
rooms=(daemon/supervisor daemon/api/rights daemon/encoder/knowledge)
tests=(tests/unit/supervisor tests/unit/api tests/unit/core tests/unit/encoder/knowledge tests/unit/encoder/index
    tests/unit/encoder/changes tests/unit/encoder/handlers tests/integration/supervisor
    tests/integration/jobs tests/integration/api tests/isolation)

"$python" -m coverage --version >/dev/null 2>&1 || "$python" -m pip install -qq --disable-pip-version-check \
    -c deploy/constraints.txt coverage
# Daemons and encoders of all uids write here.
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
chmod 1777 -- "$folder"
export COVERAGE_FILE=$folder/data
(($#)) || set -- -n 2 --dist loadfile --no-loadscope-reorder "${tests[@]}"
"$python" -m coverage run -m pytest -q "$@" || printf 'coverage.sh: tests have failed; the figures stand for what ran\n' >&2
"$python" -m coverage combine -q --keep "$folder" 2>/dev/null || true
below=0
for room in "${rooms[@]}"; do
    printf '\n== %s\n' "$room"
    "$python" -m coverage report --include="$room/*" --fail-under=90 || below=1
done
exit "$below"
