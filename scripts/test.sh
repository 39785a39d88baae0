#!/usr/bin/env bash
# Installs what is missing and runs the tests, all of them or the files named; the last line counts them.

set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/install.sh"
exec node scripts/run-tests.ts "$@"
