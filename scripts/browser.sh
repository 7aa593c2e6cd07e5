#!/bin/sh
# What the browser tests need besides Python: Chromium and Node from the system, and four npm packages.
cd "$(dirname "$0")/.." || exit 1
missing=
command -v chromium >/dev/null || missing="chromium"
command -v npm >/dev/null || missing="$missing nodejs npm"
if [ -n "$missing" ]; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "The browser tests need:$missing. On Debian and Ubuntu: sudo apt install$missing" | sed 's/  */ /g' >&2
    exit 1
  fi
  # shellcheck disable=SC2086 # a list of packages
  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing; } || exit 1
fi
# npm writes the inner file last.
if ! [ tests/e2e/node_modules/.package-lock.json -nt tests/e2e/package-lock.json ]; then
  npm ci --prefix tests/e2e --ignore-scripts --no-audit --no-fund --loglevel=error
fi
