"""What the benchmarks ran on."""

import os
import platform
import subprocess

from driver.contestants import installed_version


def _read(path, default="unknown"):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return default


def _first_line(*command):
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return "unknown"
    return answer.splitlines()[0].strip() if answer.strip() else "unknown"


def _cpu_model():
    for line in _read("/proc/cpuinfo", "").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _thp(kind):
    """The setting that is in brackets."""
    folder = "/sys/kernel/mm/transparent_hugepage/"
    text = _read(folder + kind)
    return text.partition("[")[2].partition("]")[0] or text


def _memory():
    for line in _read("/proc/meminfo", "").splitlines():
        if line.startswith("MemTotal:"):
            return "%.0f GiB" % (int(line.split()[1]) / 1024 / 1024)
    return "unknown"


def _revision():
    revision = _first_line("git", "rev-parse", "--short", "HEAD")
    try:
        changes = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
    except OSError:
        changes = ""
    return revision + (" with changes" if changes.strip() else "")


def describe(contestants):
    """What is known, by name, in the order of the page."""
    machine = {
        "CPU": _cpu_model(),
        "CPUs allowed": str(len(os.sched_getaffinity(0))),
        "memory": _memory(),
        "kernel": platform.release(),
        "virtual": _first_line("systemd-detect-virt"),
        "system": _first_line("sh", "-c", ". /etc/os-release && echo $PRETTY_NAME"),
        "compiler": _first_line("g++", "--version"),
        "huge pages, anonymous": _thp("enabled"),
        "huge pages, shared": _thp("shmem_enabled"),
        "load at the start": "%.2f" % os.getloadavg()[0],
        "slabpipe": _revision(),
        "Python": platform.python_version(),
    }
    for contestant in contestants:
        if contestant.version_of and contestant.version_of != "python3":
            version = installed_version(contestant.version_of)
            machine[contestant.title] = version or "unknown"
    return {name: text for name, text in machine.items() if text != "unknown"}
