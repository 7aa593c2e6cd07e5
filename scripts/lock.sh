#!/bin/sh
# Pin the requirements again, with hashes and without the address they came from. Each file is held to the
# versions of the one before it, because they share one .venv.
cd "$(dirname "$0")/.." || exit 1
command -v uv >/dev/null || { echo "make lock needs uv: pip install uv" >&2; exit 1; }
held=
for name in requirements requirements-dev requirements-e2e; do
  # shellcheck disable=SC2086 # empty, or two words that hold no space
  uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q \
    $held "$name.in" -o "$name.txt" || exit 1
  held="-c $name.txt"
done
