#!/usr/bin/env bash
# install.sh VENV REQUIREMENTS WHAT: create the virtual environment VENV from REQUIREMENTS. Quiet unless something fails.
set -euo pipefail
venv=$1 what=$2
shift 2
locks=("$@")
python=${PYTHON:-python3}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

fail() {
    echo "$1" >&2
    exit 1
}

step() { # step TEXT COMMAND...: one line; the output of the command only if it fails
    local text=$1 begun=$SECONDS
    shift
    printf '%s ... ' "$text"
    if "$@" >"$log" 2>&1; then
        echo "$((SECONDS - begun)) s"
    else
        echo "failed:"
        tail -n 40 "$log" >&2
        return 1
    fi
}

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

if ! is_new_enough "$python"; then
    found=""
    for candidate in python3.11 python3.12 python3.13 python3.14; do
        if is_new_enough "$candidate"; then
            found=$candidate
            break
        fi
    done
    if [ -z "$found" ]; then
        fail "Python 3.11 or newer is needed; '$python' is $("$python" --version 2>&1 || true). Install one (Debian 12, Ubuntu 24.04: apt install python3 python3-venv) or name one with PYTHON=/path/to/python3.11"
    fi
    python=$found
fi

if [ -e "$venv" ] && [ ! -e "$venv/pyvenv.cfg" ] && [ -n "$(ls -A "$venv")" ]; then
    fail "$venv is there, and no virtual environment: move it away, since it would be emptied"
fi

make_venv() {
    # Debian's python3 has no ensurepip without python3-venv: virtualenv, or any pip that there is, serves as well.
    if "$python" -c 'import ensurepip' 2>/dev/null; then
        "$python" -m venv --clear "$venv"
    elif "$python" -m virtualenv --version >/dev/null 2>&1; then
        "$python" -m virtualenv --clear "$venv"
    else
        "$python" -m venv --clear --without-pip "$venv"
        "$python" -m pip --python "$venv/bin/python" install 'pip<26.3'
    fi
}

if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    if ! "$python" -c 'import venv' 2>/dev/null || ! step "making $venv" make_venv; then
        rm -rf "$venv"
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        fail "$python cannot make a virtual environment. On Debian and Ubuntu: apt install python3-venv (or python$version-venv), then try again."
    fi
fi

install() {
    local lock pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps)
    for lock in "${locks[@]}"; do
        if [ "$lock" = . ]; then
            "${pip[@]}" --no-build-isolation -e . # by the setuptools of the lock
        else
            "${pip[@]}" -r "$lock" # a lock names everything, with hashes, so there is nothing to resolve
        fi
    done
}

step "installing $what into $venv" install ||
    fail "pip could not install ${locks[*]} (see above). Is the package index reachable?"
touch "$venv/.installed"
