"""Rules of this project: the native C++ rules with its warnings, include paths and visibility.

Public include paths start with the project's name though the folders do not: a header
codec/ndarray.h of a `slabpipe_cc_library` is included as "slabpipe/codec/ndarray.h".
A target is visible as its package says (default_visibility), or else private.
"""

# The one place for warnings. Generated code and system headers are exempt.
_COPTS = [
    "-Wall",
    "-Wextra",
    "-Werror",
]

def _include_prefix():
    return "slabpipe/" + native.package_name()

def slabpipe_cc_library(name, srcs = [], hdrs = [], deps = [], copts = [], visibility = None, **kwargs):
    """A library whose headers are included as "slabpipe/<package>/<header>"."""
    native.cc_library(
        name = name,
        srcs = srcs,
        hdrs = hdrs,
        copts = _COPTS + copts,
        include_prefix = _include_prefix(),
        linkstatic = True,
        strip_include_prefix = "/" + native.package_name(),
        visibility = visibility,
        deps = deps,
        **kwargs
    )

def slabpipe_cc_binary(name, srcs, deps = [], copts = [], visibility = None, **kwargs):
    """A program. Name the worker programs that it starts in `data`."""
    native.cc_binary(
        name = name,
        srcs = srcs,
        copts = _COPTS + copts,
        visibility = visibility,
        deps = deps,
        **kwargs
    )

def slabpipe_cc_test(name, srcs, deps = [], copts = [], size = "small", visibility = None, **kwargs):
    """A GoogleTest program; gtest, gmock and main() are there already. Tag `tsan` for threads."""
    native.cc_test(
        name = name,
        size = size,
        srcs = srcs,
        copts = _COPTS + copts,
        visibility = visibility,
        deps = deps + ["@system//:gmock_main"],
        **kwargs
    )

def slabpipe_cc_benchmark(name, srcs, deps = [], copts = [], visibility = None, **kwargs):
    """A Google Benchmark program; main() is there already. Run it with `bazel run --config=opt`."""
    native.cc_binary(
        name = name,
        testonly = True,
        srcs = srcs,
        copts = _COPTS + copts,
        visibility = visibility,
        deps = deps + ["@system//:benchmark_main"],
        **kwargs
    )

def slabpipe_cc_fuzz_target(name, srcs, corpus, replay_main, deps = [], local_defines = [], **kwargs):
    """A fuzz target: `srcs` define LLVMFuzzerTestOneInput; `corpus` are the files of corpus/<name>.

    Makes <name>_fuzzer, a libFuzzer program, which only --config=fuzz can build (tools/fuzz runs
    it); and <name>_replay_test, which runs the same code over the corpus, in any configuration.
    """
    native.cc_library(
        name = name + "_fuzz_target",
        testonly = True,
        srcs = srcs,
        copts = _COPTS,
        linkstatic = True,
        local_defines = local_defines,
        visibility = ["//visibility:private"],
        deps = deps,
        alwayslink = True,
    )
    native.cc_binary(
        name = name + "_fuzzer",
        testonly = True,
        linkopts = ["-fsanitize=fuzzer"],
        tags = ["manual"],
        deps = [":" + name + "_fuzz_target"],
        **kwargs
    )
    native.cc_test(
        name = name + "_replay_test",
        size = "small",
        args = ["%s/corpus/%s" % (native.package_name(), name)],
        data = corpus,
        deps = [
            ":" + name + "_fuzz_target",
            replay_main,
        ],
        **kwargs
    )

def slabpipe_example_test(name, example, args = [], size = "small", visibility = None, **kwargs):
    """Runs the program `example` with `args`; passes if it exits with 0."""
    native.sh_test(
        name = name,
        size = size,
        srcs = ["//bazel:run_example.sh"],
        args = ["$(rootpath %s)" % example] + args,
        data = [example],
        visibility = visibility,
        **kwargs
    )

def _capnp_sources(label):
    """The label of the sources of a slabpipe_capnp_library, its dependencies' included."""
    if ":" not in label:
        label += ":" + label.split("/")[-1]
    return label + "_capnp_sources"

# Generated headers name a sibling without its folder, which does not work through
# an include prefix; and they are exempt from the warnings of the code that includes them.
# "/slabpipe/schemas/..." is found wherever slabpipe's own schemas lie.
_CAPNP_COMPILE = """
imports=$$(mktemp -d)
mkdir $$imports/slabpipe
ln -s "$$PWD/$$(dirname $(execpath @slabpipe//schemas:shm_schema))" $$imports/slabpipe/schemas
capnp compile -I$$imports -oc++:$(RULEDIR) --src-prefix=$$(dirname $(execpath {first})) {inputs}
rm -r $$imports
for out in $(OUTS); do
  sed -i 's|^#include "\\([^/"]*\\.capnp\\.h\\)"|#include "{prefix}/\\1"|' $$out
  case $$out in *.h) sed -i '1i #pragma GCC system_header' $$out ;; esac
done
"""

def slabpipe_capnp_library(name, srcs, deps = [], include_prefix = None, visibility = None, **kwargs):
    """Cap'n Proto schemas as a C++ library: x.capnp is included as "<include_prefix>/x.capnp.h".

    The prefix is "slabpipe/<package>" unless given. The schemas lie in the package's own folder. One may
    import another of its folder by name alone (`import "shm.capnp"`), if that one is in the same
    library or in a library of `deps`, and slabpipe's own as "/slabpipe/schemas/shm.capnp", if
    @slabpipe//schemas:shm_capnp is in `deps`.
    """
    package = native.package_name()
    prefix = include_prefix if include_prefix != None else _include_prefix()
    headers = [src + ".h" for src in srcs]
    sources = [src + ".c++" for src in srcs]

    native.filegroup(
        name = name + "_capnp_sources",
        srcs = srcs + [_capnp_sources(dep) for dep in deps],
        visibility = visibility,
    )
    native.genrule(
        name = name + "_capnp_compile",
        srcs = srcs + [_capnp_sources(dep) for dep in deps],
        tools = ["@slabpipe//schemas:shm_schema"],
        outs = headers + sources,
        cmd = _CAPNP_COMPILE.format(
            first = srcs[0],
            inputs = " ".join(["$(execpath %s)" % src for src in srcs]),
            prefix = prefix,
        ),
        message = "Compiling Cap'n Proto schemas",
        visibility = ["//visibility:private"],
    )
    native.cc_library(
        name = name,
        srcs = sources,
        hdrs = headers,
        include_prefix = prefix,
        linkstatic = True,
        strip_include_prefix = "/" + package,
        visibility = visibility,
        deps = deps + [
            "@system//:capnp",
            "@system//:kj",
        ],
        **kwargs
    )
