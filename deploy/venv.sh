#!/bin/sh
# Makes the virtual environment DIR and installs hookfetch into it, with the exact versions of
# constraints.txt. Usage: sh deploy/venv.sh DIR
set -eu
dir=$1
python=${PYTHON:-python3}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "hookfetch needs Python 3.11 or newer; $python is $("$python" --version)" >&2
    exit 1
}
if [ ! -x "$dir/bin/pip" ]; then
    echo "== Making $dir"
    # Debian keeps what `venv` needs in a package of its own.
    "$python" -c 'import ensurepip' 2>/dev/null || {
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            echo "== Installing the Debian package python3-venv"
            apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv
        else
            echo "Python's venv is missing: install python3-venv, then run this again" >&2
            exit 1
        fi
    }
    "$python" -m venv "$dir"
fi
echo "== Installing hookfetch and what it needs (versions as in constraints.txt)"
"$dir/bin/pip" install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[server,dev]'
