"""The driver's command line. bench/run calls it; see bench/run --help."""

import argparse
import datetime
import json
import os
import sys
import time

from driver import build, cases, contestants, goals, machine, measure, page, syscalls


def parse_arguments():
    parser = argparse.ArgumentParser(prog="bench/run", add_help=False)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--tiny", action="store_true")  # for the test: nothing is measured well
    parser.add_argument("--output", default="bench/results")
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--bin")  # programs that are built already; none is built then
    return parser.parse_args()


def choose(only, plan):
    """The contestants and cases that --only names; all of a kind if it names none of it."""
    names = {c.name for c in contestants.ALL} | {case.name for case in plan}
    unknown = [name for name in only if name not in names]
    if unknown:
        sys.exit("bench: --only: there is no %s; see bench/run --list" % ", ".join(unknown))
    chosen = [c for c in contestants.ALL if c.name in only]
    chosen_cases = [case for case in plan if case.name in only]
    return chosen or list(contestants.ALL), chosen_cases or plan


def leave_out(chosen):
    """Splits `chosen` into those that can take part, and {name: why not}."""
    able, left_out = [], {}
    for contestant in chosen:
        missing = contestants.missing_packages(contestant)
        if missing:
            left_out[contestant.name] = "package %s is not installed" % ", ".join(missing)
        else:
            able.append(contestant)
    return able, left_out


def prepare(arguments, chosen):
    """Builds. Returns (contestants that take part, {name: why not}, command lines)."""
    able, left_out = leave_out(chosen)
    bin_folder = arguments.bin
    if bin_folder is None:
        print("bench: building (the first time takes some minutes)", flush=True)
        bin_folder, failed = build.build(able)
        for contestant in failed:
            left_out[contestant.name] = "it could not be built"
    able = [c for c in able if c.name not in left_out]
    commands = {c.name: contestants.command_line(c, bin_folder) for c in able}
    for name in [n for n, command in commands.items() if not os.path.exists(command[0])]:
        left_out[name] = "its program is not there"
        del commands[name]
    for name, why in left_out.items():
        hint = "; bench/run --install brings it" if "package" in why else ""
        print("bench: left out: %s: %s%s" % (name, why, hint), flush=True)
    return [c for c in able if c.name in commands], left_out, commands


def main():
    arguments = parse_arguments()
    scale = cases.TINY if arguments.tiny else cases.QUICK if arguments.quick else cases.FULL
    plan = cases.plan(scale)
    if arguments.list:
        print("contestants:", *[c.name for c in contestants.ALL])
        print("cases:", *dict.fromkeys(case.name for case in plan))
        return 0
    chosen, plan = choose(arguments.only, plan)
    able, left_out, commands = prepare(arguments, chosen)

    described = machine.describe(able)
    started = time.monotonic()
    results = measure.run(able, plan, commands, scale.deadline_s)
    counted = {"why": "slabpipe's steady case was not asked for"}
    if "slabpipe" in commands and any(case.name == "steady" for case in plan):
        counted = syscalls.per_call(commands["slabpipe"], scale.traced_calls)
    cpus = len(os.sched_getaffinity(0))
    judged = goals.judge_all(results, scale, cpus, counted)
    run = {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "scale": "tiny" if arguments.tiny else "quick" if arguments.quick else "full",
        "seconds": round(time.monotonic() - started),
        "machine": described,
        "contestants": [
            {"name": c.name, "title": c.title, "kind": c.kind, "waiting": c.waiting} for c in able
        ],
        "left_out": left_out,
        "syscalls": counted,
        "goals": [goal.to_json() for goal in judged],
        **results.to_json(),
    }
    write(arguments.output, run, page.render(run, results, able, judged))
    report(arguments.output, run, judged)
    return 1 if results.broken else 0


def write(folder, run, html):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "results.json"), "w", encoding="utf-8") as file:
        json.dump(run, file, indent=1)
        file.write("\n")
    with open(os.path.join(folder, "index.html"), "w", encoding="utf-8") as file:
        file.write(html)


def report(folder, run, judged):
    print("bench: measured for %d s; %s/index.html, results.json" % (run["seconds"], folder))
    for entry in run["broken"]:
        print("bench: broken: %(contestant)s %(case)s %(size)d %(mode)s: %(why)s" % entry)
    for goal in judged:
        if goal.value is None:
            print("bench: no value for %s: %s" % (goal.name, goal.why))
    for goal in judged:
        print(goal.line())


if __name__ == "__main__":
    sys.exit(main())
