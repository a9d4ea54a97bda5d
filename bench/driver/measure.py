"""Measures in turn: in each round, for each case, one contestant after the other.

What disturbs the machine for a while thus hits all of them alike, and the spread over the rounds
tells how much it did.
"""

import sys
import time

from driver import process
from driver.cases import size_name
from driver.results import Results


def _show(text):
    if sys.stderr.isatty():
        print("\r\033[K%s" % text, end="", file=sys.stderr, flush=True)


def run(contestants, cases, commands, deadline_s):
    """Returns Results. `commands` are the command lines by contestant's name.

    No round but the first begins if, taking as long as the one before, it would end after
    `deadline_s`: a machine that is busy gets fewer rounds instead of a longer run.
    """
    results = Results()
    processes = {}
    lost = {}  # contestants that broke too often
    rounds = max(case.rounds for case in cases)
    begun, seconds = time.monotonic(), 0
    try:
        for number in range(rounds):
            started = time.monotonic()
            if number and started - begun + seconds > deadline_s:
                print("bench: time is up after %d of %d rounds" % (number, rounds), flush=True)
                break
            for case in cases:
                if number < case.rounds:
                    _show("round %d of %d: %s %s %s" % (number + 1, rounds, *_words(case)))
                    _run_case(results, processes, lost, contestants, case, commands)
            _show("")
            seconds = time.monotonic() - started
            print("bench: round %d of %d took %.0f s" % (number + 1, rounds, seconds), flush=True)
    finally:
        for running in processes.values():
            running.close()
    return results


def _words(case):
    return (case.name, case.mode, size_name(case.size))


def _run_case(results, processes, lost, contestants, case, commands):
    for contestant in contestants:
        name = contestant.name
        if not {name, contestant.kind} & set(case.who) or lost.get(name, 0) >= 3:
            continue
        if (name, *case.key) in results.unsupported:
            continue
        try:
            if name not in processes:
                processes[name] = process.Process(commands[name])
            began = time.monotonic()
            answer = processes[name].ask(case)
            answer["seconds"] = round(time.monotonic() - began, 3)  # all of it, untimed parts too
            results.add(name, case, answer)
        except (process.Broken, OSError) as error:
            print("\nbench: %s broke in %s: %s" % (name, " ".join(_words(case)), error), flush=True)
            results.add_broken(name, case, str(error))
            lost[name] = lost.get(name, 0) + 1
            if name in processes:
                processes.pop(name).close()
