"""System libraries as Bazel targets, by way of pkg-config.

`pkg_config_repository(name = "system")` makes one cc_library for each package that the tables
below name, and one for each public Abseil module: `@system//:absl_status`, `@system//:gtest`.
Most headers are in the compiler's own search path, and a target carries defines and link options
only; a folder that pkg-config names beside that (Eigen's) is linked into the repository, and its
headers are the target's.
"""

# What the library needs: pkg-config's name -> the Debian package that brings it.
_PACKAGES = {
    "absl_base": "libabsl-dev",
    "capnp": "libcapnp-dev",
    "kj": "libcapnp-dev",
    "nlohmann_json": "nlohmann-json3-dev",
}

# What only tests, benchmarks and examples need: without it, there is no such target.
_OPTIONAL = [
    "benchmark",
    "eigen3",
    "gmock",
    "gmock_main",
    "gtest",
    "gtest_main",
]

# Libraries without a .pc file of their own.
_EXTRA = """
cc_library(
    name = "threads",
    linkopts = ["-pthread"],
)

cc_library(
    name = "benchmark_main",
    linkopts = ["-lbenchmark_main"],
    deps = [":benchmark"],
)
"""

_LIBRARY = """
cc_library(
    name = "{name}",
    hdrs = glob([folder + "/**" for folder in {folders}]),
    defines = {defines},
    includes = {folders},
    linkopts = {linkopts},
)
"""

def _archive(ctx, tool, name, flag):
    """-lfoo as -l:libfoo.a, if the package has that."""
    if not flag.startswith("-labsl_") and flag not in ["-lcapnp", "-lkj"]:
        return flag
    libdir = ctx.execute([tool, "--variable=libdir", name]).stdout.strip()
    archive = "lib%s.a" % flag[len("-l"):]
    return "-l:" + archive if ctx.path(libdir).get_child(archive).exists else flag

def _header_folders(ctx, name, flags):
    """What -I names, as folders of the repository."""
    folders = []
    for flag in flags:
        if flag.startswith("-I"):
            folders.append("include/%s/%d" % (name, len(folders)))
            ctx.symlink(flag[len("-I"):], folders[-1])
    return folders

def _library(ctx, tool, name):
    result = ctx.execute([tool, "--cflags", "--libs", name])
    if result.return_code != 0:
        fail("pkg-config %s failed: %s" % (name, result.stderr))
    flags = [flag for flag in result.stdout.strip().split(" ") if flag]
    defines = [flag[len("-D"):] for flag in flags if flag.startswith("-D")]
    libs = [flag for flag in flags if not flag.startswith("-D") and not flag.startswith("-I")]

    # A module's closure names dozens of libraries. Shared ones would all be loaded and relocated
    # when a program starts, which takes a worker longer than all the rest of its start: so those
    # that have an archive are linked from that, and of the others only what is used is recorded.
    if libs:
        libs = (["-Wl,--push-state,--as-needed"] +
                [_archive(ctx, tool, name, flag) for flag in libs] +
                ["-Wl,--pop-state"])
    return _LIBRARY.format(
        name = name,
        defines = repr(defines),
        folders = repr(_header_folders(ctx, name, flags)),
        linkopts = repr(libs),
    )

def _install_hint(packages):
    return "Install with: apt-get install %s (tools/packages.txt lists all)." % " ".join(packages)

def _pkg_config_repository_impl(ctx):
    tool = ctx.which("pkg-config")
    if not tool:
        fail("pkg-config is not installed. " + _install_hint(["pkg-config"]))

    found = {
        line.split(" ")[0]: None
        for line in ctx.execute([tool, "--list-all"]).stdout.splitlines()
    }
    missing = {_PACKAGES[name]: None for name in _PACKAGES if name not in found}
    if missing:
        fail("Libraries that slabpipe needs are not installed. " + _install_hint(sorted(missing)))

    names = [
        name
        for name in found
        if name in _PACKAGES or name in _OPTIONAL or (name.startswith("absl_") and "_internal" not in name)
    ]
    ctx.file(
        "BUILD.bazel",
        "package(default_visibility = [\"//visibility:public\"])\n" + _EXTRA +
        "".join([_library(ctx, tool, name) for name in sorted(names)]),
    )

pkg_config_repository = repository_rule(
    implementation = _pkg_config_repository_impl,
    configure = True,  # `bazel sync --configure` looks again
    environ = ["PKG_CONFIG_PATH"],
    local = True,
    doc = "System libraries, one cc_library for each pkg-config package.",
)
