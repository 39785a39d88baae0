#!/usr/bin/env bash
# Installs, builds, starts a Redis Cluster with the proxy before it, and plays a short scene on it.
# usage: scripts/quickstart.sh [--exit] [--port 6380]     --exit: stop after the scene

set -euo pipefail

port=6380 stay=yes
while [ $# -gt 0 ]; do
  case $1 in
    --exit) stay=no ;;
    --port) port=${2:-} && shift ;;
    --port=*) port=${1#*=} ;;
    *) echo "Unknown option $1; usage: scripts/quickstart.sh [--exit] [--port 6380]" >&2; exit 1 ;;
  esac
  shift || true
done
if ! [[ $port =~ ^[0-9]{1,5}$ ]] || [ "$port" -lt 1 ] || [ "$port" -gt 65535 ]; then
  echo 'The port must be a number from 1 to 65535: --port 6380.' >&2
  exit 1
fi

port_in_use() { (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }
if port_in_use; then
  echo "Port $port is already in use: stop what listens there or choose another port, such as --port $((port < 65535 ? port + 1 : 6380))." >&2
  exit 1
fi

source "$(dirname "${BASH_SOURCE[0]}")/install.sh"

bold='' dim='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; fi

pid='' work=$(mktemp -d)
finish() {
  local status=$?
  trap - EXIT INT TERM HUP
  if [ -n "$pid" ]; then
    kill -TERM "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    echo "stopped: the proxy and its Redis Cluster are gone"
  fi
  rm -rf "$work"
  exit $status
}
trap finish EXIT
trap 'echo; exit 130' INT
trap 'exit 143' TERM HUP

if [ ! -e dist/.built ] || [ -n "$(find src tsconfig.json tsconfig.build.json package-lock.json -newer dist/.built -print -quit)" ]; then
  echo 'building (npm run build)'
  # The moment the build began: what is edited meanwhile counts as newer. And a file that is gone from src
  # must be gone from dist too, since folders are read there.
  touch "$work/began"
  rm -rf dist
  if ! npm run --silent build >"$work/build.log" 2>&1; then
    cat "$work/build.log" >&2
    echo 'The build failed: put right what is named above and run this again.' >&2
    exit 1
  fi
  cp -p "$work/began" dist/.built
fi

printf 'starting a Redis Cluster of three masters, and the proxy '
# In a process group of its own, so that Ctrl-C reaches this script alone, which then stops it once.
set -m
node dist/cli.js dev --listen "127.0.0.1:$port" >"$work/log" 2>&1 </dev/null &
pid=$!
set +m
for ((tenths = 0; ; tenths++)); do
  if grep -q "tq-proxy is ready on" "$work/log"; then break; fi
  if ! kill -0 "$pid" 2>/dev/null; then
    pid=''
    printf '\n'
    tail -n 20 "$work/log" >&2
    echo 'The proxy did not start; the lines above say why.' >&2
    exit 1
  fi
  if [ $tenths -ge 600 ]; then
    printf '\n'
    tail -n 20 "$work/log" >&2
    echo 'The proxy is not ready after a minute; the lines above are its log.' >&2
    exit 1
  fi
  if ((tenths % 3 == 0)); then printf '.'; fi
  sleep 0.1
done
printf ' ready\n'

# Prints a command and its real reply, and holds the reply against what the story needs it to be.
# usage: play PATTERN COMMAND…
play() {
  local expected=$1 reply
  shift
  printf '%s127.0.0.1:%s>%s %s%s%s\n' "$dim" "$port" "$plain" "$bold" "$*" "$plain"
  reply=$(timeout 15 redis-cli -p "$port" --no-raw "$@" 2>&1) || true
  printf '%s\n' "$reply"
  if ! grep -qE -- "$expected" <<<"$reply"; then
    echo "That is not the reply this story expects (/$expected/). The proxy's log:" >&2
    tail -n 20 "$work/log" >&2
    exit 1
  fi
}
tell() { printf '\n%s\n' "$*"; }

tell 'Three people join the line of an event.'
play QUEUED TQ.ENQUEUE gala ann ticket-ann
play QUEUED TQ.ENQUEUE gala ben ticket-ben
play QUEUED TQ.ENQUEUE gala cleo ticket-cleo

tell 'Cleo is third. Ann goes home, and everybody behind her moves up at once.'
play 'integer\) 3$' TQ.POS gala ticket-cleo
play 'integer\) 1$' TQ.LEAVE gala ticket-ann
play 'integer\) 2$' TQ.POS gala ticket-cleo

tell 'Two seats go on sale, and both want the same one. Ben is first and holds it for two seconds.'
play STOCKED TQ.STOCK gala SEATS A1 A2
play '"HELD"' TQ.HOLD gala ben PX 2000 SEATS A1
play SEAT_UNAVAILABLE TQ.HOLD gala cleo PX 2000 SEATS A1

tell 'Ben does not pay. Two seconds later the seat is free, without anybody having freed it.'
sleep 2.1
play '"HELD"' TQ.HOLD gala cleo PX 60000 SEATS A1

tell 'What the event looks like now:'
play waiting TQ.STATS gala

if [ $stay = no ]; then
  printf '\n'
  exit 0
fi
cat <<END

The proxy keeps serving on 127.0.0.1:$port. From another terminal, or any Redis client in any language:
  redis-cli -p $port
  redis-cli -p $port SET greeting hello      (ordinary commands go to the cluster)
  redis-cli -p $port TQ.HELP                 (what else there is)
Ctrl-C stops it, and its Redis Cluster with it.
END
trap 'echo; exit 0' INT
status=0
wait "$pid" || status=$?
pid=''
tail -n 20 "$work/log" >&2
echo "The proxy ended by itself with status $status; the lines above are its log." >&2
exit 1
