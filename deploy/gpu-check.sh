#!/usr/bin/env bash
# Proves a GPU host that nothing can be fetched to: `vecward doctor --gpu` with what a CUDA image lacks brought along.
#   deploy/gpu-check.sh prepare FOLDER            downloads wheels and bubblewrap into FOLDER, where there is a network
#   deploy/gpu-check.sh run FOLDER REPORT [OPTION…]  installs them into this host's python3, which has PyTorch, and runs
#                                                 the check; options go to `vecward doctor --gpu`
#   deploy/gpu-check.sh rehearse REPORT           tries the check on a processor, with the Python in PYTHON
# `run` changes the Python that it runs on: use it on a machine that is thrown away. An installed vecward needs none of
# this: run `vecward doctor --gpu` there.
set -euo pipefail

checkout=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-python3}
target_python=3.12
most_mb=60
# What the image of a CUDA host (Python 3.12, PyTorch, sentence-transformers, transformers, numpy, psutil, typer,
# nvidia-ml-py) lacks of the daemon's and the encoder's own dependencies; versions from constraints.txt.
wheels=(
    annotated-doc annotated-types APScheduler argon2-cffi argon2-cffi-bindings cachetools cffi faiss-cpu fastapi
    httptools itsdangerous opentelemetry-api prometheus_client pycparser pydantic pydantic_core python-multipart PyYAML
    rich starlette typing-inspection typing_extensions tzlocal uvicorn uvloop
)
debs=(bubblewrap libcap2)

fail() {
    printf 'gpu-check.sh: %s\n' "$1" >&2
    exit 1
}

prepare() {
    local folder=$1 name pinned=() platforms=()
    mkdir -p -- "$folder"
    for name in "${wheels[@]}"; do
        pinned+=("$(grep -i "^$name==" "$checkout/deploy/constraints.txt")") || fail "cannot find $name in constraints.txt"
    done
    for name in manylinux_2_{28,27,26,24,17,5}_x86_64 manylinux2014_x86_64 manylinux1_x86_64; do
        platforms+=(--platform "$name")
    done
    "$python" -m pip download -q --no-deps --only-binary=:all: --python-version "$target_python" --implementation cp \
        "${platforms[@]}" -d "$folder" "${pinned[@]}"
    (cd -- "$folder" && apt-get download -qq "${debs[@]}")
    local size
    size=$(du -sm -- "$folder" | cut -f1)
    ((size <= most_mb)) || fail "cannot use $folder: it has $size MB; at most $most_mb may travel"
    printf '%s: %s files, %s MB\n' "$folder" "$(find "$folder" -type f | wc -l)" "$size"
}

install() {
    local folder=$1 file
    "$python" -m pip install -q --no-index --no-deps --no-cache-dir "$folder"/*.whl
    command -v bwrap >/dev/null && return
    if ((EUID == 0)) && command -v dpkg >/dev/null; then
        for file in "$folder"/*.deb; do dpkg -x "$file" /; done
        ldconfig
    else
        printf 'gpu-check.sh: no bubblewrap, and not root: rows about the sandbox will say so\n' >&2
    fi
}

cd -- "$checkout"
case ${1-} in
    prepare)
        [[ $# == 2 ]] || fail "usage: gpu-check.sh prepare FOLDER"
        prepare "$2"
        ;;
    run)
        [[ $# -ge 3 ]] || fail "usage: gpu-check.sh run FOLDER REPORT [OPTION…]"
        install "$2"
        exec "$python" -m daemon.cli doctor --gpu --report "$3" "${@:4}"
        ;;
    rehearse)
        [[ $# == 2 ]] || fail "usage: gpu-check.sh rehearse REPORT"
        exec "$python" -m daemon.cli doctor --gpu --rehearse --report "$2"
        ;;
    *) fail "usage: gpu-check.sh prepare FOLDER | run FOLDER REPORT [OPTION…] | rehearse REPORT" ;;
esac
