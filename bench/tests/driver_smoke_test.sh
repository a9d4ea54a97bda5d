#!/bin/bash
# Runs the driver in its tiny mode with what //... builds - the floors, slabpipe, the Unix socket -
# and looks at what it wrote: driver_smoke_test.sh. How fast it all is, is not looked at.
set -euo pipefail

fail() {
  echo "driver_smoke_test: $*" >&2
  exit 1
}

output="${TEST_TMPDIR:?}/results"
log="$TEST_TMPDIR/log"
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=bench /usr/bin/python3 -m driver --tiny --bin . \
  --output "$output" --only floors slabpipe slabpipe-blocking unix_socket |
  tee "$log" || fail "the driver failed"

/usr/bin/python3 - "$output" "$log" <<'END'
import json, re, sys

folder, log = sys.argv[1:]
with open(folder + "/results.json", encoding="utf-8") as file:
    run = json.load(file)
assert not run["broken"], run["broken"]
measured = {(entry["contestant"], entry["case"]) for entry in run["measured"]}
for contestant, case in (
    ("floors", "ring"),
    ("floors", "ping-pong"),
    ("floors", "memcpy"),
    ("floors", "spawn"),
    ("floors", "kill"),
    ("slabpipe", "small"),
    ("slabpipe", "in-copied"),
    ("slabpipe", "in-reserved"),
    ("slabpipe", "out-copied"),
    ("slabpipe", "out-reserved"),
    ("slabpipe", "echo"),
    ("slabpipe", "many-copied"),
    ("slabpipe", "many-reserved"),
    ("slabpipe", "callers"),
    ("slabpipe", "start"),
    ("slabpipe", "death"),
    ("slabpipe", "first-touch"),
    ("slabpipe", "steady"),
    ("slabpipe-blocking", "small"),
    ("unix_socket", "small"),
):
    one_cpu = case == "ring" and run["machine"]["CPUs allowed"] == "1"
    assert one_cpu or (contestant, case) in measured, "%s %s is missing" % (contestant, case)
for entry in run["measured"]:
    assert all(answer["samples"]["count"] > 0 for answer in entry["rounds"]), entry
with open(folder + "/index.html", encoding="utf-8") as file:
    page = file.read()
assert page.startswith("<!DOCTYPE html>") and page.rstrip().endswith("</html>")
assert not re.search(r"(src|href)=\"(?!#)", page), "the page is not self-contained"
with open(log, encoding="utf-8") as file:
    lines = file.read().splitlines()[-len(run["goals"]) :]
form = re.compile(r"goal \S+ (-|-?[0-9.]+) [0-9.]+ (ok|short)$")
assert len(lines) > 20 and all(form.match(line) for line in lines), lines
print("%d figures, %d goals" % (len(run["measured"]), len(lines)))
END
