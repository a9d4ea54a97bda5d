"""Who takes part: a program each, the packages that it needs, and how it waits."""

import dataclasses
import subprocess
import sys


@dataclasses.dataclass(frozen=True)
class Contestant:
    name: str  # in the results, and for --only
    title: str  # on the page
    kind: str  # "floor", "ours" or "peer"
    waiting: str  # "spins" or "blocks"; floors do as their case says
    color: str
    target: str = ""  # Bazel's label of its folder's programs, if it is to be built
    command: tuple = ()  # {bin} is Bazel's output folder, {python} this interpreter
    packages: tuple = ()  # Debian's, without which it is left out
    version_of: str = ""  # the package whose version is its own


def _peer(name, title, color, packages=(), version_of=""):
    return Contestant(
        name=name,
        title=title,
        kind="peer",
        waiting="blocks",
        color=color,
        target="//bench/peers:%s" % name,
        command=("{bin}/bench/peers/%s" % name,),
        packages=packages,
        version_of=version_of,
    )


_SLABPIPE = "//bench/slabpipe:contestant"

ALL = (
    Contestant(
        name="floors",
        title="floor",
        kind="floor",
        waiting="-",
        color="#444444",
        target="//bench/floors:contestant",
        command=("{bin}/bench/floors/contestant",),
    ),
    Contestant(
        name="slabpipe",
        title="slabpipe",
        kind="ours",
        waiting="spins",
        color="#d62728",
        target=_SLABPIPE,
        command=("{bin}/bench/slabpipe/contestant", "spins"),
    ),
    Contestant(
        name="slabpipe-blocking",
        title="slabpipe, blocking",
        kind="ours",
        waiting="blocks",
        color="#ff9896",
        target=_SLABPIPE,
        command=("{bin}/bench/slabpipe/contestant", "blocks"),
    ),
    _peer("unix_socket", "Unix socket", "#1f77b4"),
    _peer("posix_shm", "POSIX shm per call", "#17becf"),
    _peer("interprocess", "Boost.Interprocess", "#2ca02c", ("libboost-dev",), "libboost-dev"),
    _peer("zeromq", "ZeroMQ", "#9467bd", ("libzmq3-dev",), "libzmq3-dev"),
    _peer("nng", "nng", "#8c564b", ("libnng-dev",), "libnng-dev"),
    _peer(
        "capnp_rpc", "Cap'n Proto RPC", "#e377c2", ("libcapnp-dev", "capnproto"), "libcapnp-dev"
    ),
    _peer(
        "grpc",
        "gRPC",
        "#bcbd22",
        ("libgrpc++-dev", "libprotobuf-dev", "protobuf-compiler", "protobuf-compiler-grpc"),
        "libgrpc++-dev",
    ),
    Contestant(
        name="multiprocessing",
        title="Python multiprocessing",
        kind="peer",
        waiting="blocks",
        color="#ff7f0e",
        command=("{python}", "bench/peers/multiprocessing_numpy.py"),
        packages=("python3-numpy",),
        version_of="python3",
    ),
)


def installed_version(package):
    """The version of a Debian package, or None if it is not installed."""
    try:
        answer = subprocess.run(
            ["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Version}", package],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    status, _, version = answer.stdout.partition(" ")
    return version if status == "installed" else None


def missing_packages(contestant):
    return [package for package in contestant.packages if not installed_version(package)]


def command_line(contestant, bin_folder):
    return [part.format(bin=bin_folder, python=sys.executable) for part in contestant.command]
