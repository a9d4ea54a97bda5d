"""The repositories that slabpipe needs, for its own WORKSPACE and for those of its users.

    local_repository(name = "slabpipe", path = "...")
    load("@slabpipe//bazel:workspace.bzl", "slabpipe_workspace")
    slabpipe_workspace()
"""

load(":pkg_config.bzl", "pkg_config_repository")

def _stand_in_repository_impl(ctx):
    stand_ins = ctx.path(ctx.attr._here).dirname.get_child("stand_ins")
    for entry in stand_ins.get_child(ctx.name).readdir():
        ctx.symlink(entry, entry.basename)

# The folder of that name in stand_ins/, as a repository.
_stand_in_repository = repository_rule(
    implementation = _stand_in_repository_impl,
    attrs = {"_here": attr.label(default = Label("//bazel:workspace.bzl"))},
    local = True,
)

def slabpipe_workspace():
    """Everything is on the machine: Debian packages (tools/packages.txt) and the folder bazel/."""

    # Abseil, Cap'n Proto, GoogleTest, Google Benchmark: @system//:absl_status, @system//:gtest, ...
    pkg_config_repository(name = "system")

    # Bazel's own tools load from the four repositories below, whether or not a build uses them.
    for name in ["rules_java", "rules_proto"]:
        native.local_repository(
            name = name,
            path = "/usr/share/bazel/rules/" + name[len("rules_"):],
        )
    for name in ["rules_cc", "remote_coverage_tools"]:
        _stand_in_repository(name = name)
