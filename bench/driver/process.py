"""A contestant's process, and the questions that it is asked. The protocol: harness/request.h."""

import json
import select
import subprocess


class Broken(Exception):
    """A contestant that failed at its work, or ended, or said nothing."""


class Process:
    """Runs until closed. Use it in a `with`."""

    def __init__(self, command):
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        self._rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ask(self, case):
        """Returns the answer: {"samples": ...} or {"unsupported": why}. Raises Broken."""
        line = "%s %d %d %s %d\n" % (case.name, case.size, case.count, case.mode, case.budget_ms)
        try:
            self._process.stdin.write(line.encode())
        except OSError as error:
            raise Broken("it has ended (%s)" % self._how_it_ended()) from error
        answer = self._read_line(60 + 5 * case.budget_ms / 1000)
        try:
            answer = json.loads(answer)
        except ValueError as error:
            raise Broken("it answered %r" % answer[:200]) from error
        if "error" in answer:
            raise Broken(answer["error"])
        return answer

    def close(self):
        """Asks it to end, and ends it if it does not."""
        try:
            self._process.stdin.close()
        except OSError:
            pass
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process.stdout.close()

    def kill(self):
        self._process.kill()
        self._process.wait()

    def _read_line(self, seconds):
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self._process.stdout], [], [], seconds)
            if not ready:
                self.kill()
                raise Broken("it said nothing for %d seconds" % seconds)
            more = self._process.stdout.read(1 << 16)
            if not more:
                raise Broken("it has ended (%s)" % self._how_it_ended())
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode(errors="replace")

    def _how_it_ended(self):
        try:
            return "exit code %d" % self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "but not its process"
