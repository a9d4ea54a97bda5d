"""How many system calls a small call takes in the steady state, counted by strace -c -f.

Two runs of the same contestant, one with more calls than the other; the difference belongs to
these calls alone. Processes that make no system call are not slowed by strace.
"""

import os
import shutil
import subprocess
import tempfile

from driver import process
from driver.cases import Case


def _counts(path):
    """{system call: count} of a table that strace -c wrote."""
    counts = {}
    with open(path, encoding="utf-8", errors="replace") as table:
        for line in table:
            fields = line.split()
            # % time, seconds, usecs/call, calls, [errors], name
            if len(fields) >= 5 and fields[3].isdigit() and fields[-1] != "total":
                counts[fields[-1]] = int(fields[3])
    return counts


def _traced(command, calls, budget_ms):
    """(system calls by name, calls made) of one run under strace."""
    with tempfile.TemporaryDirectory() as folder:
        table = os.path.join(folder, "table")
        traced = ["strace", "-f", "-c", "-o", table, *command]
        case = Case("steady", 64, "two-cores", calls, budget_ms, 1, ())
        with process.Process(traced) as running:
            answer = running.ask(case)
            if "unsupported" in answer:
                raise process.Broken(answer["unsupported"])
        return _counts(table), answer["numbers"]["calls"]


def per_call(command, calls):
    """{"per_call", "calls", "by_name"}, or {"why": ...} if it can't be counted."""
    if not shutil.which("strace"):
        return {"why": "strace is not installed (package strace)"}
    try:
        if subprocess.run(["strace", "-o", "/dev/null", "true"], check=False).returncode != 0:
            return {"why": "strace is not allowed here"}
        few, few_calls = _traced(command, 1000, 20000)
        many, many_calls = _traced(command, calls + 1000, 20000)
    except (OSError, process.Broken) as error:
        return {"why": "the traced run broke: %s" % error}
    more_calls = many_calls - few_calls
    if more_calls <= 0:
        return {"why": "the traced run made no calls"}
    by_name = {name: many[name] - few.get(name, 0) for name in many}
    by_name = {name: more for name, more in by_name.items() if more > 0}
    return {
        "per_call": sum(by_name.values()) / more_calls,
        "calls": more_calls,
        "by_name": dict(sorted(by_name.items(), key=lambda item: -item[1])),
    }
