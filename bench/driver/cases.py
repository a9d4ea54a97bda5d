"""What is measured: cases, sizes, modes, and how long each may take."""

import dataclasses

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

SIZES = (4 * KIB, 64 * KIB, MIB, 16 * MIB, 64 * MIB, 256 * MIB, GIB)
ARRAY_CASES = ("in-copied", "out-copied", "echo", "in-reserved", "out-reserved")
RESERVED = ("in-reserved", "out-reserved")
PLACES = ("two-cores", "one-core", "free", "asleep")
FIRST_TOUCH_SIZES = (64 * KIB, MIB, 16 * MIB, 64 * MIB)


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    size: int  # bytes; callers of case "callers"
    mode: str
    count: int  # at most so many samples a round
    budget_ms: int  # and so long a round
    rounds: int
    who: tuple  # is asked: kinds or names of contestants

    @property
    def key(self):
        return (self.name, self.size, self.mode)


def size_name(size):
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size >= unit:
            return "%d %s" % (size // unit, name)
    return "%d B" % size


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much of everything."""

    rounds: int
    big_rounds: int  # above 64 MiB
    small_ms: int
    asleep_ms: int
    array_ms: int
    largest: int  # array that is copied
    largest_of_peers: int  # but for in-copied, untouched
    largest_reserved: int
    peers_touch: bool  # on the ways back, too
    steady_calls: int
    steady_ms: int
    traced_calls: int
    deadline_s: int  # no round begins that would probably end after it


FULL = Scale(
    rounds=7,
    big_rounds=3,
    small_ms=400,
    asleep_ms=400,
    array_ms=120,
    largest=GIB,
    largest_of_peers=64 * MIB,
    largest_reserved=GIB,
    peers_touch=True,
    steady_calls=1000000,
    steady_ms=60000,
    traced_calls=200000,
    deadline_s=540,
)
QUICK = Scale(
    rounds=3,
    big_rounds=1,
    small_ms=100,
    asleep_ms=160,
    array_ms=30,
    largest=64 * MIB,
    largest_of_peers=16 * MIB,
    largest_reserved=GIB,
    peers_touch=False,
    steady_calls=100000,
    steady_ms=8000,
    traced_calls=200000,
    deadline_s=108,
)
# For the test of all this: nothing is measured well.
TINY = Scale(
    rounds=1,
    big_rounds=1,
    small_ms=5,
    asleep_ms=20,
    array_ms=2,
    largest=64 * KIB,
    largest_of_peers=64 * KIB,
    largest_reserved=MIB,
    peers_touch=True,
    steady_calls=1000,
    steady_ms=500,
    traced_calls=1000,
    deadline_s=60,
)

_EVERYBODY = ("ours", "peer")
_BIG = ("slabpipe",)  # takes long: not also the one that blocks


def _small(scale):
    for place in PLACES:
        budget = scale.asleep_ms if place == "asleep" else scale.small_ms
        if place == "two-cores":
            yield Case("ring", 64, place, 500000, budget, scale.rounds, ("floor",))
        yield Case("ping-pong", 64, place, 500000, budget, scale.rounds, ("floor",))
        yield Case("small", 64, place, 500000, budget, scale.rounds, _EVERYBODY)


def _copies(scale, size, mode, rounds):
    for name in ("memcpy", "memcpy-by-two"):
        yield Case(name, size, mode, 20000, scale.array_ms, rounds, ("floor",))


def _who_takes_arrays(scale, name, size, mode):
    """Nobody, for a size that is too large."""
    if name in RESERVED:
        if size > (scale.largest if mode == "touched" else scale.largest_reserved):
            return ()
        return ("ours", "interprocess") if size <= 64 * MIB else _BIG
    if size > scale.largest:
        return ()
    if name == "in-copied" and mode == "untouched":
        return _EVERYBODY
    peers = size <= scale.largest_of_peers
    if mode == "touched" and name != "in-copied" and not scale.peers_touch:
        peers = False
    return _EVERYBODY if peers else ("ours",) if size <= 64 * MIB else _BIG


def _arrays(scale, size):
    rounds = scale.rounds if size <= 64 * MIB else scale.big_rounds
    for mode in ("untouched", "touched"):
        if size <= scale.largest:
            yield from _copies(scale, size, mode, rounds)
        for name in ARRAY_CASES:
            # Reserved arrays are compared with a small call, which takes more samples.
            budget = scale.array_ms * (2 if name in RESERVED else 1)
            who = _who_takes_arrays(scale, name, size, mode)
            if who:
                yield Case(name, size, mode, 20000, budget, rounds, who)


def _many(scale):
    for mode in ("untouched", "touched"):
        budget, rounds = scale.array_ms * 3, scale.rounds
        yield Case("memcpy-of-many", 2500, mode, 1000, budget, rounds, ("floor",))
        yield Case("many-copied", 2500, mode, 1000, budget, rounds, _EVERYBODY)
        yield Case("many-reserved", 2500, mode, 1000, budget, rounds, ("ours",))
    yield Case("many-reserved-each", 2500, "untouched", 1000, budget, rounds, ("ours",))


def _callers(scale):
    for callers in (1, 8, 32):
        budget = scale.small_ms * 2
        yield Case("callers", callers, "free", 500000, budget, scale.rounds, ("ours",))


def _life(scale):
    budget, rounds = scale.small_ms * 2, scale.rounds
    yield Case("spawn", 0, "free", 100, budget, rounds, ("floor",))
    yield Case("start", 0, "free", 100, budget, rounds, _EVERYBODY)
    yield Case("kill", 0, "free", 100, budget, rounds, ("floor",))
    yield Case("death", 0, "free", 100, budget, rounds, ("ours",))


def _first_touch(scale):
    for size in FIRST_TOUCH_SIZES:
        if size > scale.largest:
            continue
        for name in ("touch-by-memcpy", "touch-by-pwrite", "touch-by-populate"):
            yield Case(name, size, "untouched", 100, scale.array_ms, scale.rounds, ("floor",))
        yield Case("first-touch", size, "free", 100, scale.array_ms, scale.rounds, ("ours",))


def _steady(scale):
    calls, budget = scale.steady_calls, scale.steady_ms
    yield Case("steady", 64, "arrays", calls, budget, 1, ("slabpipe",))


def plan(scale):
    """All cases, in the order of a round."""
    cases = [*_small(scale), *_many(scale), *_callers(scale), *_life(scale)]
    for size in SIZES:
        cases.extend(_arrays(scale, size))
    cases.extend(_first_touch(scale))
    cases.extend(_steady(scale))
    return cases
