#!/usr/bin/env python3
"""Counts the test cases of one `bazel test`: count_tests.py EVENTS_FILE EXIT_CODE.

EVENTS_FILE is what --build_event_json_file wrote, EXIT_CODE what Bazel exited with. Prints
"PASSED FAILED" on stdout, and what failed on stderr.

A test program counts for the cases in its test.xml, one without (it crashed, or is no GoogleTest
program) for one. Results that came from the cache count like others. A build that failed, or a
run that found no tests, counts as one failure. Skipped and disabled cases do not count.
"""

import collections
import json
import sys
import urllib.parse
import xml.etree.ElementTree as ElementTree

Counts = collections.namedtuple("Counts", "passed failed")

_EXIT_CODES = {
    1: "the build failed",
    2: "Bazel refused its command line",
    4: "no tests were found",
    8: "interrupted",
}


def read_results(events_path):
    """Returns {(label, run, shard): testResult}, of the last attempt each."""
    results = {}
    attempts = collections.defaultdict(int)
    with open(events_path, encoding="utf-8") as events:
        for line in events:
            event = json.loads(line)
            key = event["id"].get("testResult")
            if key is None or "testResult" not in event:
                continue
            unit = (key["label"], key.get("run", 0), key.get("shard", 0))
            if key.get("attempt", 0) >= attempts[unit]:
                attempts[unit] = key.get("attempt", 0)
                results[unit] = event["testResult"]
    return results


def xml_path(result):
    for output in result.get("testActionOutput", []):
        if output["name"] == "test.xml":
            return urllib.parse.unquote(urllib.parse.urlparse(output["uri"]).path)
    return None


def case_failed(case):
    return case.find("failure") is not None or case.find("error") is not None


def case_ran(case):
    return case.get("status") != "notrun" and case.get("result") != "skipped"


def count_target(label, result):
    """Returns the Counts of one test program's run."""
    ok = result.get("status") in ("PASSED", "FLAKY")
    try:
        cases = list(ElementTree.parse(xml_path(result)).iter("testcase"))
    except (OSError, TypeError, ElementTree.ParseError):
        cases = None
    if cases is None:
        failures, passed = [], int(ok)
    else:
        failures = [case for case in cases if case_failed(case)]
        passed = sum(case_ran(case) and not case_failed(case) for case in cases)

    for case in failures:
        name = ".".join(filter(None, (case.get("classname"), case.get("name"))))
        print("FAILED %s %s" % (label, name), file=sys.stderr)
    if not ok and not failures:  # a leak found at exit, a timeout: no case is to blame
        print("FAILED %s (%s)" % (label, result.get("status")), file=sys.stderr)
        return Counts(passed, 1)
    return Counts(passed, len(failures))


def count_run(events_path, exit_code):
    """Returns the Counts of one `bazel test`."""
    try:
        results = read_results(events_path)
    except (OSError, ValueError) as error:
        print("FAILED: Bazel left no readable events: %s" % error, file=sys.stderr)
        return Counts(0, 1)
    counts = [count_target(unit[0], result) for unit, result in sorted(results.items())]
    passed = sum(count.passed for count in counts)
    failed = sum(count.failed for count in counts)

    tests_failed = 3
    if exit_code not in (0, tests_failed) or (exit_code and not failed):
        reason = _EXIT_CODES.get(exit_code, "Bazel exited with %d" % exit_code)
        print("FAILED: %s" % reason, file=sys.stderr)
        failed += 1
    return Counts(passed, failed)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    print("%d %d" % count_run(sys.argv[1], int(sys.argv[2])))


if __name__ == "__main__":
    main()
