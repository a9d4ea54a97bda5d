"""The page's parts about small calls, and the ratios of everything."""

from driver import cases, charts, html
from driver.charts import time_name
from driver.html import Raw, Text, paragraph
from driver.view import ratio, row_class, with_spread

_PLACES = {
    "two-cores": "two cores",
    "one-core": "one core",
    "free": "not pinned",
    "asleep": "two cores, both asleep before each call",
}


def _floor_of_place(waiting, place):
    if waiting == "spins" and place in ("two-cores", "free"):
        return ("floors", "ring", 64, "two-cores")
    return ("floors", "ping-pong", 64, place)


def _small_table(view, waiting):
    head, rows, classes = [""], [], []
    for place in cases.PLACES:
        head += [_PLACES[place], "p99", "/\u00a0floor"]
    floors = {p: _floor_of_place(waiting, p) for p in cases.PLACES}
    everyone = [("floor", "floor", floors)]
    for c in view.by_waiting(waiting):
        keys = {p: (c.name, "small", 64, p) for p in cases.PLACES}
        everyone.append((c.title, row_class(c), keys))
    for title, style, keys in everyone:
        row = [Text(title)]
        for place in cases.PLACES:
            p99 = view.results.time(*keys[place], quantile="p99")
            row += [view.cell(*keys[place]), time_name(p99 and p99["median"])]
            time = view.results.time
            row.append(ratio(time(*keys[place]), time(*floors[place])))
        rows.append(row)
        classes.append(style)
    return html.table(head, rows, classes)


def small(view):
    """Small calls: the distribution at each place, and the medians."""
    figures = []
    for place in cases.PLACES:
        series = []
        for floor in ("ring", "ping-pong"):
            curve = view.curve("floors", floor, 64, place)
            if curve:
                name = "floor: spinning ring" if floor == "ring" else "floor: blocking ping-pong"
                series.append((name, "#444444" if floor == "ring" else "#999999", True, curve))
        for c in view.ours:
            curve = view.curve(c.name, "small", 64, place)
            if curve:
                series.append((c.title, c.color, False, curve))
        if series and charts.available:
            figures.append(html.figure("64 B: " + _PLACES[place], charts.distribution(series)))
    by = [
        "%s: %s" % (_PLACES[place], view.results.note("by", "floors", "ping-pong", 64, place))
        for place in cases.PLACES
        if view.results.has("floors", "ping-pong", 64, place)
    ]
    return (
        paragraph(
            "64 bytes there and back through the whole API of each, checked on both sides. Asleep: "
            "both sides were left alone for 2 ms before each call. The blocking ping-pong is the "
            "faster of two: %s." % "; ".join(by)
        )
        + html.figures(figures)
        + "<h3>Those that spin, beside the bare ring (on one core and asleep: ping-pong)</h3>"
        + _small_table(view, "spins")
        + "<h3>Those that block, beside a bare blocking ping-pong</h3>"
        + _small_table(view, "blocks")
    )


_OVERVIEW = (
    ("small, two cores", "small", 64, "two-cores"),
    ("small, one core", "small", 64, "one-core"),
    ("small, asleep", "small", 64, "asleep"),
    ("4 KiB in", "in-copied", 4 * cases.KIB, "untouched"),
    ("1 MiB in", "in-copied", cases.MIB, "untouched"),
    ("16 MiB in", "in-copied", 16 * cases.MIB, "untouched"),
    ("1 GiB in", "in-copied", cases.GIB, "untouched"),
    ("1 MiB in, touched", "in-copied", cases.MIB, "touched"),
    ("1 MiB out", "out-copied", cases.MIB, "untouched"),
    ("1 MiB both ways", "echo", cases.MIB, "untouched"),
    ("2,500 arrays", "many-copied", 2500, "untouched"),
    ("start", "start", 0, "free"),
)


def overview(view):
    """How many times slabpipe's time everybody takes, by case."""
    time = view.results.time
    columns = [(title, key) for title, *key in _OVERVIEW if time("slabpipe", *key)]
    if not columns:
        return ""
    rows, classes = [], []
    for c in view.ours:
        row = [Text(c.title), Text(c.waiting)]
        for _, key in columns:
            theirs, ours = time(c.name, *key), time("slabpipe", *key)
            if theirs is None:
                row.append("-")
                continue
            name = time_name(theirs["median"])
            row.append(Raw("%s<br><small>%s</small>" % (ratio(theirs, ours), name)))
        rows.append(row)
        classes.append(row_class(c))
    text = "How many times slabpipe's time each takes; below it, the time. Arrays: untouched."
    head = ["", "waits"] + [title for title, _ in columns]
    return paragraph(text) + html.table(head, rows, classes)


def callers(view):
    """Several threads that call at once."""
    rows = []
    for c in view.ours:
        for count in (1, 8, 32):
            key = (c.name, "callers", count, "free")
            rate = view.results.number("calls_per_second", *key)
            if rate:
                row = [Text(c.title), count, with_spread(rate, lambda n: "%.0f" % n)]
                row += [view.cell(*key, quantile=q) for q in ("p50", "p99", "p99.9", "max")]
                rows.append(row)
    head = ["", "threads", "calls a second", "wait, p50", "p99", "p99.9", "max"]
    return paragraph(
        "Small calls from several threads through one session: each thread has one call in flight "
        "all the time."
    ) + (html.table(head, rows) if rows else "")
