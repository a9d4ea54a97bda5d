"""Python: multiprocessing.Pipe for messages, multiprocessing.shared_memory with numpy for arrays.

A contestant like the others; the protocol is that of harness/request.h. Main's side and the
worker's, written as the modules' documentation shows: a process that is started with a pipe's end,
a block of shared memory for each array that is sent, closed by both and unlinked by main.
"""

import ctypes
import json
import math
import multiprocessing
import os
import signal
import sys
import time
from multiprocessing import resource_tracker, shared_memory

import numpy

MANY_ARRAYS, MANY_ELEMENTS = 2500, 1000
CPUS = sorted(os.sched_getaffinity(0))


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


# The worker.


class Kept:
    """An array in the worker's private memory, kept from call to call."""

    def __init__(self):
        self._x = numpy.empty(0)

    def with_tag(self, elements, first):
        if len(self._x) != elements:
            self._x = pattern_array(elements)
        self._x[0] = first
        return self._x


def share(x):
    """A new block with a copy of x."""
    block = shared_memory.SharedMemory(create=True, size=x.nbytes)
    numpy.ndarray(x.shape, x.dtype, buffer=block.buf)[:] = x
    return block


def look_at(name, elements, touched):
    block = shared_memory.SharedMemory(name)
    x = numpy.ndarray((elements,), numpy.float64, buffer=block.buf)
    seen = look(x, touched)
    del x
    block.close()
    return seen


def serve(pipe, mains_end):
    mains_end.close()
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    kept = Kept()
    while True:
        try:
            what, *arguments = pipe.recv()
        except EOFError:
            return
        if what == "small":
            pipe.send(small_answer(arguments[0]))
        elif what == "look":
            pipe.send(look_at(*arguments))
        elif what == "fetch":
            block = share(kept.with_tag(*arguments))
            pipe.send(block.name)
            block.close()
        elif what == "many":
            arrays, touched = arguments
            pipe.send(sum(look(x, touched) for x in arrays))


# Main's side.


class Worker:
    def __init__(self):
        self.pipe, its = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=serve, args=(its, self.pipe), daemon=True)
        self.process.start()
        its.close()

    def close(self):
        self.pipe.close()
        self.process.join()

    def call(self, *message):
        self.pipe.send(message)
        return self.pipe.recv()

    def small(self, number):
        check(self.call("small", small_request(number)), small_request(number + 1))

    def send(self, x, touched):
        block = share(x)
        seen = self.call("look", block.name, len(x), touched)
        block.close()
        block.unlink()
        return seen

    def echo(self, x, touched):
        """What comes back is the same block."""
        block = share(x)
        seen = self.call("look", block.name, len(x), touched)
        check(look(numpy.ndarray(x.shape, x.dtype, buffer=block.buf), touched), seen)
        block.close()
        block.unlink()
        return seen

    def fetch(self, elements, first, touched):
        name = self.call("fetch", elements, first)
        block = shared_memory.SharedMemory(name)
        seen = look(numpy.ndarray((elements,), numpy.float64, buffer=block.buf), touched)
        block.close()
        block.unlink()
        return seen


# Measuring: as harness/repeat.h, cpus.h and samples.h do.


def place(mode, worker):
    first, last = CPUS[:1], CPUS[1:2]
    if mode in ("two-cores", "asleep") and not last:
        raise NotImplementedError("%s needs two CPUs; one is allowed" % mode)
    main, its = CPUS, CPUS
    if mode == "one-core":
        main, its = first, first
    elif mode in ("two-cores", "asleep"):
        main, its = first, last
    os.sched_setaffinity(0, main)
    os.sched_setaffinity(worker.process.pid, its)


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


class Cases:
    def __init__(self):
        self._shared = None

    def _worker(self, request):
        if self._shared is None:
            self._shared = Worker()
        place(request["mode"], self._shared)
        return self._shared

    def close(self):
        if self._shared is not None:
            self._shared.close()

    def small(self, request):
        return repeat(request, self._worker(request).small)

    def in_copied(self, request):
        worker, x = self._worker(request), pattern_array(request["bytes"] // 8)
        return repeat_tagged(request, x, lambda x, _: worker.send(x, request["touched"]))

    def echo(self, request):
        worker, x = self._worker(request), pattern_array(request["bytes"] // 8)
        return repeat_tagged(request, x, lambda x, _: worker.echo(x, request["touched"]))

    def out_copied(self, request):
        worker, x = self._worker(request), pattern_array(request["bytes"] // 8)

        def call(x, first):
            return worker.fetch(len(x), first, request["touched"])

        return repeat_tagged(request, x, call)

    def many_copied(self, request):
        """Through the pipe, pickled: a block each would take 2,500 of them."""
        worker, touched = self._worker(request), request["touched"]
        arrays = [pattern_array(MANY_ELEMENTS) for _ in range(MANY_ARRAYS)]

        def prepare(i):
            for x in arrays:
                x[0] = tag(i)

        def once(i):
            seen = worker.call("many", arrays, touched)
            check(seen, MANY_ARRAYS * expected_look(MANY_ELEMENTS, tag(i), touched))

        return repeat(request, once, prepare)

    def start(self, request):
        os.sched_setaffinity(0, CPUS)
        samples, end = [], time.monotonic_ns() + request["budget_ns"]
        for i in range(request["count"] + 1):
            begin = time.monotonic_ns()
            worker = Worker()
            worker.small(i)
            now = time.monotonic_ns()
            worker.close()
            if i:  # the first does not count
                samples.append(now - begin)
                if now > end:
                    break
        return samples


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


def main():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    resource_tracker.ensure_running()  # one for both processes
    cases = Cases()
    for line in sys.stdin:
        print(json.dumps(answer(cases, line)), flush=True)
    cases.close()


if __name__ == "__main__":
    main()
