"""The page's parts about beginnings, ends, and what stays the same in between."""

from driver import cases, html
from driver.html import Text, paragraph
from driver.view import ratio, row_class


def _life_table(view):
    rows, classes = [], []
    for floor, case, title in (
        ("spawn", "start", "start to the first answer"),
        ("kill", "death", "SIGKILL to the end of the call"),
    ):
        below = view.results.time("floors", floor, 0, "free")
        name = "floor: " + ("posix_spawn, socketpair" if floor == "spawn" else "pidfd or EOF")
        rows.append([Text(title), Text(name), view.cell("floors", floor, 0, "free"), ""])
        classes.append("floor")
        for c in view.ours:
            key = (c.name, case, 0, "free")
            if view.results.has(*key):
                times = ratio(view.results.time(*key), below)
                rows.append([Text(title), Text(c.title), view.cell(*key), times])
                classes.append(row_class(c))
    return html.table(["", "", "median", "/ floor"], rows, classes)


def _touch_table(view):
    key = ("slabpipe", "first-touch")
    sizes = [s for s in cases.FIRST_TOUCH_SIZES if view.results.has(*key, s, "free")]
    lines = [
        ("slabpipe, first array of its size", "slabpipe", "first-touch", "free", "ours"),
        ("slabpipe, warm", "slabpipe", "in-copied", "untouched", "ours"),
        ("floor: warm memcpy", "floors", "memcpy", "untouched", "floor"),
        ("floor: new memfd, mmap and memcpy", "floors", "touch-by-memcpy", "untouched", "floor"),
        ("floor: new memfd, pwrite", "floors", "touch-by-pwrite", "untouched", "floor"),
        ("floor: new memfd, populate, memcpy", "floors", "touch-by-populate", "untouched", "floor"),
    ]
    rows = [
        [Text(title)] + [view.cell(name, case, size, mode) for size in sizes]
        for title, name, case, mode, _ in lines
    ]
    head = [""] + [cases.size_name(s) for s in sizes]
    return html.table(head, rows, [style for *_, style in lines])


def life(view):
    """Start, death, and memory that is used for the first time."""
    return _life_table(view) + "<h3>First touch</h3>" + _touch_table(view)


def steady(view, syscalls):
    """What grows, and which system calls there are."""
    if "per_call" in syscalls:
        names = ", ".join("%s %d" % item for item in list(syscalls["by_name"].items())[:12])
        text = "%.4f system calls a small call, both sides together, over %d calls (strace)." % (
            syscalls["per_call"],
            syscalls["calls"],
        )
        text += " They were: %s." % names if names else ""
    else:
        text = "System calls were not counted: %s." % syscalls["why"]
    rows = []
    for c in view.ours:
        rounds = view.results.rounds(c.name, "steady", 64, "arrays")
        for answer in rounds:
            numbers = answer["numbers"]
            for name, number in numbers.items():
                rows.append([Text(c.title), Text(name.replace("_", " ")), "%d" % number])
    grown = "Growth over the calls, one in ten with an array of 64 KiB in, one with one out:"
    return paragraph(text) + paragraph(grown) + (html.table(["", "", ""], rows) if rows else "")
