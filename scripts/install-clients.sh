#!/usr/bin/env bash
# Installs a client library that npm does not have, for its test: `redis-py` or `go-redis`, under .cache/.
# Prints how to run its check. Where the machine has not the language, says so and ends with status 3.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

REDIS_PY=8.1.0
MISSING=3

say() { printf '%s\n' "$*" >&2; }
missing() { say "$*"; exit $MISSING; }

# Runs a command quietly; what it printed is shown when it fails.
quietly() {
  local log status=0
  log=$(mktemp)
  "$@" >"$log" 2>&1 </dev/null || status=$?
  if [ $status -ne 0 ]; then tail -n 15 "$log" >&2; fi
  rm -f "$log"
  return $status
}

install_redis_py() {
  local folder=.cache/redis-py-$REDIS_PY
  if [ ! -x $folder/bin/python3 ] || [ ! -e $folder/.complete ]; then
    command -v python3 >/dev/null || missing 'python3 is not on this machine'
    rm -rf $folder
    mkdir -p .cache
    # Debian has the part of python3 that makes environments in a package of its own.
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
      if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        missing 'python3 on this machine has no venv (on Debian: apt-get install python3-venv)'
      fi
      quietly apt-get -q update || true
      quietly env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 install -y --no-install-recommends python3-venv
    fi
    quietly python3 -m venv $folder
    quietly $folder/bin/python3 -m pip install --disable-pip-version-check --no-input "redis==$REDIS_PY"
    touch $folder/.complete
  fi
  printf '%s\n' "$PWD/$folder/bin/python3" "$PWD/test/clients/redis-py/check.py"
}

install_go_redis() {
  local program=$PWD/.cache/go-redis-check
  command -v go >/dev/null || missing 'go is not on this machine'
  # Another Go is not to be downloaded on the side.
  export GOTOOLCHAIN=local
  local wanted found
  wanted=$(sed -n 's/^go //p' test/clients/go/go.mod)
  found=$(go version | sed -E 's/^go version go([0-9.]+).*/\1/')
  [ "$(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1)" = "$wanted" ] ||
    missing "go on this machine is $found, go-redis 9 needs $wanted"
  mkdir -p .cache
  (cd test/clients/go && quietly go build -o "$program" .)
  printf '%s\n' "$program"
}

case "${1:-}" in
  redis-py) install_redis_py ;;
  go-redis) install_go_redis ;;
  *)
    say 'usage: scripts/install-clients.sh redis-py|go-redis'
    exit 2
    ;;
esac
