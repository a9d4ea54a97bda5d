#!/bin/bash
# The code of a guide stands like that in its files: guide_test.sh GUIDE.PY GUIDE FOLDER.
set -euo pipefail
exec python3 "$1" check "$2" "$3"
