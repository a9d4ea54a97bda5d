"""Python: multiprocessing.Pipe for messages, multiprocessing.shared_memory with numpy for arrays.

A contestant like the others; the protocol is that of harness/request.h. Main's side and the
worker's, written as the modules' documentation shows: a process that is started with a pipe's end,
a block of shared memory for each array that is sent, closed by both and unlinked by main.
"""

import json
import multiprocessing
import os
import sys
import time
from multiprocessing import resource_tracker, shared_memory

import numpy
from python_harness import CPUS, answer, check, die_with_parent, expected_look, look
from python_harness import pattern_array, place, repeat, repeat_tagged, small_answer
from python_harness import small_request, tag

MANY_ARRAYS, MANY_ELEMENTS = 2500, 1000


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
    die_with_parent()
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


class Cases:
    def __init__(self):
        self._shared = None

    def _worker(self, request):
        if self._shared is None:
            self._shared = Worker()
        place(request["mode"], self._shared.process.pid)
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


def main():
    die_with_parent()
    resource_tracker.ensure_running()  # one for both processes
    cases = Cases()
    for line in sys.stdin:
        print(json.dumps(answer(cases, line)), flush=True)
    cases.close()


if __name__ == "__main__":
    main()
