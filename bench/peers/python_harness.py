"""What contestants in Python share: what the C++ ones have in harness/. Needs numpy."""

import ctypes
import math
import os
import signal
import time

import numpy

CPUS = sorted(os.sched_getaffinity(0))


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


# What is in the arrays, and what is seen of them: as in harness/array_work.h.


def pattern_array(elements):
    return numpy.tile(numpy.arange(8, dtype=numpy.float64), elements // 8 + 1)[:elements].copy()


def tag(i):
    return float(1000 + i % 100000)


def look(x, touched):
    return float(x.sum()) if touched else float(x[0])


def expected_look(elements, first, touched):
    return elements // 8 * 28.0 + sum(range(elements % 8)) + first if touched else first


def small_request(number):
    return number.to_bytes(8, "little") + bytes([number & 0x7F]) * 56


def small_answer(request):
    number = int.from_bytes(request[:8], "little")
    return small_request(number + 1 if request == small_request(number) else 0)


def check(seen, expected):
    if seen != expected:
        raise RuntimeError("what arrived is another: %r instead of %r" % (seen, expected))


# Measuring: as harness/repeat.h, cpus.h and samples.h do.


def place(mode, worker_pid):
    first, last = CPUS[:1], CPUS[1:2]
    if mode in ("two-cores", "asleep") and not last:
        raise NotImplementedError("%s needs two CPUs; one is allowed" % mode)
    main, its = CPUS, CPUS
    if mode == "one-core":
        main, its = first, first
    elif mode in ("two-cores", "asleep"):
        main, its = first, last
    os.sched_setaffinity(0, main)
    os.sched_setaffinity(worker_pid, its)


def repeat(request, once, prepare=lambda i: None):
    asleep = request["mode"] == "asleep"
    warm_ups = 2 if asleep else min(max(request["count"] // 10, 2), 1000)
    budget = request["budget_ns"]
    warm_up_end, end, samples, i = time.monotonic_ns() + budget // 5, 0, [], 0
    while True:
        prepare(i)
        if asleep:
            time.sleep(0.002)
        begin = time.monotonic_ns()
        once(i)
        now = time.monotonic_ns()
        i += 1
        if not end:
            if i >= warm_ups or now > warm_up_end:
                end = now + budget
            continue
        samples.append(now - begin)
        if len(samples) >= request["count"]:
            return samples
        if now > end and (len(samples) >= 3 or now > end + budget):
            return samples


def repeat_tagged(request, x, call):
    def prepare(i):
        x[0] = tag(i)

    def once(i):
        check(call(x, tag(i)), expected_look(len(x), tag(i), request["touched"]))

    return repeat(request, once, prepare)


NAMED = (("min", 0), ("p10", 0.1), ("p25", 0.25), ("p50", 0.5), ("p75", 0.75), ("p90", 0.9))
NAMED += (("p99", 0.99), ("p99.9", 0.999), ("max", 1))
CURVE = (0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)
CURVE += (0.998, 0.999, 0.9995, 0.9999, 1)


def summary(samples):
    ordered = sorted(samples)

    def quantile(fraction):
        rank = min(max(math.ceil(fraction * len(ordered)), 1), len(ordered))
        return ordered[rank - 1] / 1000

    return {
        "count": len(ordered),
        **{name: quantile(fraction) for name, fraction in NAMED},
        "curve": [[fraction, quantile(fraction)] for fraction in CURVE],
    }


def answer(cases, line):
    name, size, count, mode, budget = line.split()
    request = {
        "bytes": int(size),
        "count": int(count),
        "mode": mode,
        "touched": mode == "touched",
        "budget_ns": int(budget) * 1000000,
    }
    method = getattr(cases, name.replace("-", "_"), None)
    if method is None:
        return {"unsupported": "no case '%s'" % name}
    try:
        return {"samples": summary(method(request)), "numbers": {}, "notes": {}}
    except NotImplementedError as error:
        return {"unsupported": str(error)}
    except Exception as error:  # whatever it is, the driver is told
        return {"error": "%s: %s" % (type(error).__name__, error)}
