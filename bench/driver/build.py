"""Builds the contestants with Bazel, with optimisation."""

import subprocess
import sys


def build(contestants):
    """Returns (Bazel's output folder, the contestants that could not be built)."""
    required = [c for c in contestants if c.target and c.kind != "peer"]
    peers = [c for c in contestants if c.target and c.kind == "peer"]
    failed = []
    if required and not _bazel_build([c.target for c in required]):
        sys.exit("bench: the build failed (see above)")
    # A peer that does not build is left out, and takes no other one with it.
    if peers and not _bazel_build([c.target for c in peers]):
        failed = [c for c in peers if not _bazel_build([c.target])]
    return _bin_folder(), failed


def _bazel_build(targets):
    command = ["bazel", "build", "--config=opt", "--show_result=0", "--ui_event_filters=-info"]
    if not sys.stderr.isatty():
        command += ["--noshow_loading_progress", "--show_progress_rate_limit=30"]
    return subprocess.run(command + sorted(set(targets)), check=False).returncode == 0


def _bin_folder():
    command = ["bazel", "info", "--config=opt", "bazel-bin"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        sys.exit("bench: bazel does not say where it builds: %s" % answer.stderr.strip())
    return answer.stdout.strip()
