#!/bin/bash
# run_without_aslr.sh PROGRAM [ARG...]: runs it with a fixed address layout where that is allowed.
#
# ThreadSanitizer of g++ 12 stops with "unexpected memory mapping" on kernels that randomise
# addresses by more than 28 bits (vm.mmap_rnd_bits), and --config=tsan therefore runs tests so.
set -euo pipefail
if setarch --addr-no-randomize true 2>/dev/null; then
  exec setarch --addr-no-randomize "$@"
fi
exec "$@"
