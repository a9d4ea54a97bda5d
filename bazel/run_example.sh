#!/bin/bash
# Runs one example with its arguments: run_example.sh PROGRAM [ARG...].
set -euo pipefail
exec "$@"
