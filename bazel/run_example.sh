#!/bin/bash
# Runs one example with its arguments: run_example.sh PROGRAM [ARG...]. An example that exits with
# 77 lacks something that it can do without being at fault: it has said what.
set -euo pipefail
code=0
"$@" || code=$?
if ((code == 77)); then
  echo "SKIPPED: $(basename "$1")"
  exit 0
fi
exit "$code"
