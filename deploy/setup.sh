# Sourced by deploy/demo and deploy/test: builds .venv in this clone from the lock file.
#
# - Needs git and Python 3.11 or newer with its venv module; nothing else has to be installed.
# - uv comes from PyPI into a virtual environment of its own in the user's cache folder and fetches no Python.
# - Works from any directory, reads no input, says nothing when all is up to date.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
    echo "$1" >&2
    exit 1
}

# Prints the first Python that is new enough; HUB_PYTHON overrides the search.
find_python() {
    local candidate
    for candidate in ${HUB_PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return 0
        fi
    done
    return 1
}

cache="${XDG_CACHE_HOME:-$HOME/.cache}/inter-agency-hub"
python="$(find_python)" || fail "no Python 3.11 or newer found: install one, or set HUB_PYTHON to its path"
uv_version=0.13.9
uv_home="$cache/uv-$uv_version-$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"

if ! "$uv_home/bin/uv" --version >/dev/null 2>&1; then
    "$python" -c 'import venv, ensurepip' >/dev/null 2>&1 ||
        fail "$python has no working venv module: install it (Debian and Ubuntu: apt install python3-venv)"
    echo "setting up: uv, once" >&2
    # Built beside its place and moved there whole, so that two clones may set up at the same time.
    mkdir -p "$cache"
    fresh="$(mktemp -d "$cache/uv-new-XXXXXX")"
    "$python" -m venv "$fresh" >/dev/null ||
        fail "could not make a virtual environment: install venv (Debian and Ubuntu: apt install python3-venv)"
    "$fresh/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$uv_version" </dev/null ||
        fail "could not get uv from PyPI: a network connection is needed at the first start"
    rm -rf "$uv_home"
    "$python" -c 'import os, sys; os.rename(*sys.argv[1:])' "$fresh" "$uv_home" 2>/dev/null || rm -rf "$fresh"
fi

[ -x .venv/bin/hub ] || echo "setting up: .venv from uv.lock" >&2
UV_PYTHON_DOWNLOADS=never UV_PYTHON="$python" UV_PROJECT_ENVIRONMENT=.venv VIRTUAL_ENV='' \
    "$uv_home/bin/uv" sync --frozen --quiet --no-progress </dev/null ||
    fail "could not build .venv from uv.lock: a network connection is needed at the first start"
