"""The goals: ratios of medians of one run, and whether they are reached."""

import dataclasses
import statistics
from typing import Optional

from driver.charts import number_name
from driver.cases import GIB, MIB, SIZES, size_name

OURS = "slabpipe"
FLOORS = "floors"


@dataclasses.dataclass
class Goal:
    name: str
    bound: float
    value: Optional[float] = None
    low: Optional[float] = None  # of the rounds
    high: Optional[float] = None
    why: str = ""  # there is no value
    meaning: str = ""
    at_least: bool = False
    strictly: bool = False

    @property
    def ok(self):
        if self.value is None:
            return False
        # As it is printed: what reads like the bound is the bound.
        value = float("%.3g" % self.value)
        if self.at_least:
            return value >= self.bound
        return value < self.bound if self.strictly else value <= self.bound

    def line(self):
        value = "-" if self.value is None else number_name(self.value)
        return "goal %s %s %g %s" % (self.name, value, self.bound, "ok" if self.ok else "short")

    def to_json(self):
        return {**dataclasses.asdict(self), "ok": self.ok}


def _words(key):
    return "%s %s" % (key[1], key[3])


class _Judge:
    def __init__(self, results):
        self.results = results
        self.goals = []

    def p50(self, contestant, case, size, mode):
        return [r["samples"]["p50"] for r in self.results.rounds(contestant, case, size, mode)]

    def add(self, goal, values, missing):
        """`values` are one for each round, its median is the goal's; `missing` says why none."""
        if values:
            goal.value, goal.low, goal.high = statistics.median(values), min(values), max(values)
        else:
            goal.why = missing
        self.goals.append(goal)

    def missing(self, *keys):
        """Why the first of `keys` that was not measured was not."""
        for key in keys:
            if not self.results.has(*key):
                why = self.results.unsupported.get(key)
                for *broken, reason in self.results.broken:
                    why = reason if tuple(broken) == key else why
                what = "%s %s %s of %s" % (key[1], key[3], size_name(key[2]), key[0])
                return "%s was not measured%s" % (what, ": " + why if why else "")
        return ""

    def ratio(self, goal, key, *floors):
        """The median of `key` over the sum of the floors' medians."""
        missing = self.missing(key, *floors)
        ours = self.p50(*key)
        beside = [self.p50(*floor) for floor in floors]
        goal.meaning = "%s / (%s)" % (_words(key), " + ".join(_words(f) for f in floors))
        if missing:
            return self.add(goal, [], missing)
        denominator = sum(statistics.median(floor) for floor in beside)
        goal.value = statistics.median(ours) / denominator
        # Rounds go together: what disturbed one of them disturbed both parts of its ratio.
        each = [u / sum(f) for u, *f in zip(ours, *beside) if sum(f) > 0]
        goal.low, goal.high = min(each), max(each)
        self.goals.append(goal)


def _small(judge):
    spinning = (OURS, "small", 64, "two-cores")
    judge.ratio(
        Goal("small-call-spinning", 2.5), spinning, (FLOORS, "ring", 64, "two-cores")
    )
    judge.add(
        Goal("small-call-us", 1.45, meaning="median, microseconds", strictly=True),
        judge.p50(*spinning),
        judge.missing(spinning),
    )
    rounds = judge.results.rounds(*spinning)
    judge.add(
        Goal("small-call-p99", 4, meaning="p99 / p50"),
        [r["samples"]["p99"] / r["samples"]["p50"] for r in rounds],
        judge.missing(spinning),
    )
    for name, mode, bound in (("one-core", "one-core", 2), ("asleep", "asleep", 1.3)):
        judge.ratio(
            Goal("small-call-" + name, bound),
            (OURS, "small", 64, mode),
            (FLOORS, "ping-pong", 64, mode),
        )


def _arrays(judge, largest, cpus):
    small = (OURS, "small", 64, "free")
    pinned = (OURS, "small", 64, "two-cores" if cpus > 1 else "one-core")
    for way in ("in", "out"):
        for size in SIZES:
            name = size_name(size).replace(" ", "")
            copied = (OURS, way + "-copied", size, "untouched")
            memcpy = (FLOORS, "memcpy", size, "untouched")
            if MIB <= size <= largest:
                judge.ratio(Goal("array-%s-copied-%s" % (way, name), 1.1), copied, memcpy, small)
            if 16 * MIB <= size <= largest and cpus > 1:
                goal = Goal("array-%s-copied-%s-against-memcpy" % (way, name), 1, strictly=True)
                judge.ratio(goal, copied, memcpy)
        for size in SIZES:
            name = "array-%s-reserved-%s" % (way, size_name(size).replace(" ", ""))
            judge.ratio(Goal(name, 1.2), (OURS, way + "-reserved", size, "untouched"), pinned)


def _many(judge):
    copied = (OURS, "many-copied", 2500, "untouched")
    reserved = (OURS, "many-reserved-each", 2500, "untouched")
    floor = (FLOORS, "memcpy-of-many", 2500, "untouched")
    judge.ratio(Goal("many-arrays-copied", 1.5), copied, floor)
    judge.add(
        Goal("many-arrays-reserved-ms", 0.3, meaning="median, milliseconds"),
        [us / 1000 for us in judge.p50(*reserved)],
        judge.missing(reserved),
    )
    for way, key in (("copied", copied), ("reserved", reserved)):
        name = "message_bytes_per_array"
        rounds = judge.results.rounds(*key)
        judge.add(
            Goal("many-arrays-%s-message-bytes" % way, 64, meaning="per array"),
            [r["numbers"][name] for r in rounds if name in r["numbers"]],
            judge.missing(key),
        )


def _callers(judge):
    one, eight = (OURS, "callers", 1, "free"), (OURS, "callers", 8, "free")
    missing = judge.missing(one, eight)
    rates = [
        [r["numbers"]["calls_per_second"] for r in judge.results.rounds(*key)]
        for key in (eight, one)
    ]
    judge.add(
        Goal("eight-callers-rate", 1, meaning="calls a second / those of one", at_least=True),
        [a / b for a, b in zip(*rates)],
        missing,
    )
    for quantile in ("p99.9", "max"):
        judge.add(
            Goal("eight-callers-wait-" + quantile, 10, meaning=quantile + " / p50"),
            [
                r["samples"][quantile] / r["samples"]["p50"]
                for r in judge.results.rounds(*eight)
                if r["samples"]["p50"] > 0
            ],
            missing,
        )


def _steady(judge, calls, syscalls):
    judge.add(
        Goal("steady-syscalls", 0, meaning="a call, both sides, counted by strace"),
        # Less than one in 1,000 calls is not the calls' own.
        [round(syscalls["per_call"], 3)] if "per_call" in syscalls else [],
        syscalls.get("why", ""),
    )
    key = (OURS, "steady", 64, "arrays")
    grown = []
    missing = judge.missing(key)
    for answer in judge.results.rounds(*key):
        numbers = answer["numbers"]
        if numbers["calls"] < calls:
            missing = "time was up after %d of %d calls" % (numbers["calls"], calls)
            continue
        names = ("descriptors", "mappings")
        counted = [numbers["%s_%s" % (side, n)] for side in ("main", "worker") for n in names]
        grown.append(sum(max(0, n) for n in counted) + numbers["main_segments"])
    goal = Goal("steady-growth", 0, meaning="new segments, descriptors, mappings of both sides")
    judge.add(goal, grown, missing)


def judge_all(results, scale, cpus, syscalls):
    """All goals, in their order. `syscalls` is what syscalls.per_call returned."""
    judge = _Judge(results)
    _small(judge)
    _arrays(judge, min(scale.largest, GIB), cpus)
    _many(judge)
    _callers(judge)
    _steady(judge, scale.steady_calls, syscalls)
    start, death = (OURS, "start", 0, "free"), (OURS, "death", 0, "free")
    judge.ratio(Goal("start", 1.5), start, (FLOORS, "spawn", 0, "free"))
    judge.ratio(Goal("death", 3), death, (FLOORS, "kill", 0, "free"))
    return judge.goals
