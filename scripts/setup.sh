#!/bin/sh
# Make .venv, or bring it up to date, with the first Python here that can: setup.sh requirements[-dev|-e2e].txt
cd "$(dirname "$0")/.." || exit 1
new_enough=
for python in python3 python3.13 python3.12 python3.11; do
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
  new_enough=${new_enough:-$python}
  "$python" -c 'import ensurepip, venv' 2>/dev/null && exec "$python" scripts/setup.py "$1"
done
if [ -n "$new_enough" ]; then
  echo "$new_enough has no venv module. On Debian and Ubuntu: apt install $new_enough-venv" >&2
else
  here=$(command -v python3 >/dev/null && python3 --version 2>&1 | head -n 1)
  echo "Python 3.11 or newer is needed, and ${here:-none} is here. On Debian and Ubuntu: apt install python3 python3-venv" >&2
fi
exit 1
