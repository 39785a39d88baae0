#!/usr/bin/env bash
# Installs what is missing to build, run and test: npm packages (a Node among them) and redis-server.
# Run it, or source it to have node_modules/.bin first in PATH as well. A second run changes nothing.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '%s\n' "$*" >&2; }
give_up() { say "$*"; exit 1; }

# Shows the two ends of a log: npm says its reason first, apt last.
excerpt() {
  if [ "$(wc -l <"$1")" -le 24 ]; then cat "$1" >&2; else head -n 12 "$1" >&2; say '…'; tail -n 8 "$1" >&2; fi
}

lock_digest() { cksum <package-lock.json; }

# node_modules that npm itself brought up to the lock file need no second installation.
matches_lock() {
  [ -f node_modules/.package-lock.json ] && node -e '
    const { readFileSync } = require("node:fs")
    const read = (file) => JSON.parse(readFileSync(file, "utf8")).packages
    const wanted = read("package-lock.json"), found = read("node_modules/.package-lock.json")
    const missing = Object.entries(wanted).some(([path, entry]) =>
      path && !entry.optional && !entry.devOptional && !entry.peer && found[path]?.version !== entry.version)
    process.exit(missing ? 1 : 0)
  ' 2>/dev/null
}

install_packages() {
  local stamp=node_modules/.installed log status=0
  if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(lock_digest)" ]; then return; fi

  command -v node >/dev/null && command -v npm >/dev/null ||
    give_up 'Node and npm are missing: install Node 20 or newer (on Debian 12: see https://nodejs.org/en/download), then run this again.'
  node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' ||
    give_up "Node $(node --version) is too old to install from: install Node 20 or newer (https://nodejs.org/en/download), then run this again."

  if ! matches_lock; then
    say 'installing npm packages, one of them a Node of its own (npm ci; usually under a minute)'
    log=$(mktemp)
    npm ci --no-audit --no-fund --loglevel=error >"$log" 2>&1 </dev/null || status=$?
    if [ $status -ne 0 ]; then
      if grep -qE 'ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNREFUSED|ECONNRESET|ERR_SOCKET_TIMEOUT|ENETUNREACH' "$log"; then
        give_up "npm cannot reach $(npm config get registry 2>/dev/null): check the network or npm's proxy and registry settings, then run this again."
      fi
      excerpt "$log"
      give_up "npm ci failed, the reason is above (all of it: $log): put it right and run this again."
    fi
    rm -f "$log"
  fi
  lock_digest >"$stamp"
}

check_node() {
  export PATH="$PWD/node_modules/.bin:$PATH"
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 18) ? 0 : 1)' 2>/dev/null ||
    give_up 'Node 22.18 or newer is needed and the npm package "node" brought none (are install scripts off? npm config get ignore-scripts): install such a Node yourself, then run this again.'
}

# tap is put together from the plugins .taprc names. Left to itself it notices in its first run, which still
# goes on with the old set.
build_tap() {
  local stamp=node_modules/@tapjs/test/test-built/.plugins log
  if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(cksum <.taprc)" ]; then return; fi
  log=$(mktemp)
  if ! tap build >"$log" 2>&1 </dev/null; then
    excerpt "$log"
    give_up "tap could not be put together, the reason is above: remove node_modules and run this again."
  fi
  rm -f "$log"
  cksum <.taprc >"$stamp"
}

install_redis() {
  command -v redis-server >/dev/null && command -v redis-cli >/dev/null && return

  command -v apt-get >/dev/null ||
    give_up 'redis-server is missing: install Redis 7 with the package manager of this system (brew install redis, dnf install redis …), then run this again.'
  local -a as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    sudo -n true 2>/dev/null ||
      give_up 'redis-server is missing and installing it needs root: run "sudo apt-get install redis-server", then run this again.'
    as_root=(sudo -n)
  fi

  say 'installing redis-server (apt-get; usually under a minute)'
  local log status=0 policy=/usr/sbin/policy-rc.d own_policy=
  log=$(mktemp)
  # Debian starts services as it installs them, and port 6379 is not ours to take: while this file exists
  # and says 101, it starts none.
  if [ ! -e $policy ]; then
    own_policy=yes
    # shellcheck disable=SC2064
    trap "${as_root[*]} rm -f $policy" EXIT
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee $policy >/dev/null
    "${as_root[@]}" chmod 755 $policy
  fi
  local -a apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120)
  # An index that cannot be refreshed may still be good enough; the installation is what counts.
  "${apt[@]}" update >"$log" 2>&1 </dev/null || true
  "${apt[@]}" install -y --no-install-recommends redis-server >>"$log" 2>&1 </dev/null || status=$?
  if [ $status -eq 0 ]; then
    # Nor is it to start with the machine.
    "${as_root[@]}" update-rc.d redis-server disable >/dev/null 2>&1 || true
  fi
  if [ -n "$own_policy" ]; then
    "${as_root[@]}" rm -f $policy
    trap - EXIT
  fi
  if [ $status -ne 0 ]; then
    if grep -qE 'Could not (resolve|connect)|Temporary failure|Unable to (connect|locate package)|has no installation candidate|Failed to fetch' "$log"; then
      give_up 'apt-get cannot get redis-server from its package sources: check the network and /etc/apt/sources.list, then run this again.'
    fi
    excerpt "$log"
    give_up "apt-get could not install redis-server, the reason is above (all of it: $log): put it right and run this again."
  fi
  rm -f "$log"
}

install_packages
check_node
build_tap
install_redis
