"""The parts of the page, each from the results of its cases."""

from driver import cases, charts, html
from driver.charts import number_name, time_name
from driver.html import Raw, Text, paragraph


class View:
    """The results, with who is who."""

    def __init__(self, results, able):
        self.results = results
        self.able = able
        self.ours = [c for c in able if c.kind != "floor"]

    def by_waiting(self, waiting):
        return [c for c in self.ours if c.waiting == waiting]

    def cell(self, *key, quantile="p50"):
        """A median and its spread."""
        spread = self.results.time(*key, quantile=quantile)
        return "-" if spread is None else _with_spread(spread, time_name)

    def curve(self, *key):
        """The distribution of the round whose median is the rounds' median."""
        rounds = self.results.rounds(*key)
        if not rounds:
            return None
        ordered = sorted(rounds, key=lambda answer: answer["samples"]["p50"])
        return ordered[len(ordered) // 2]["samples"]["curve"]


def _with_spread(spread, name):
    text = "%s<br><small>%s - %s</small>"
    return Raw(text % (name(spread["median"]), name(spread["low"]), name(spread["high"])))


def _ratio(ours, floor):
    if ours is None or floor is None or floor["median"] <= 0:
        return "-"
    return number_name(ours["median"] / floor["median"])


def _row_class(contestant):
    return contestant.kind if contestant.kind != "peer" else ""


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
        head += [_PLACES[place], "p99", "/ floor"]
    floors = {p: _floor_of_place(waiting, p) for p in cases.PLACES}
    everyone = [("floor", "floor", floors)]
    for c in view.by_waiting(waiting):
        keys = {p: (c.name, "small", 64, p) for p in cases.PLACES}
        everyone.append((c.title, _row_class(c), keys))
    for title, row_class, keys in everyone:
        row = [Text(title)]
        for place in cases.PLACES:
            p99 = view.results.time(*keys[place], quantile="p99")
            row += [view.cell(*keys[place]), time_name(p99 and p99["median"])]
            time = view.results.time
            row.append(_ratio(time(*keys[place]), time(*floors[place])))
        rows.append(row)
        classes.append(row_class)
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
            cell = "%s<br><small>%s</small>" % (_ratio(theirs, ours), time_name(theirs["median"])) if theirs else "-"
            row.append(Raw(cell))
        rows.append(row)
        classes.append(_row_class(c))
    text = "How many times slabpipe's time each takes; below it, the time. Arrays are copied once at least."
    return paragraph(text) + html.table(["", "waits"] + [title for title, _ in columns], rows, classes)


_ARRAY_TITLES = {
    "in-copied": "in, from private memory",
    "out-copied": "out, from the worker's private memory",
    "echo": "there and back",
    "in-reserved": "in, reserved beforehand",
    "out-reserved": "out, reserved by the worker",
}
_TOUCH = {"untouched": "untouched", "touched": "touched"}


def _points(view, name, case, mode):
    points = {size: view.results.time(name, case, size, mode) for size in cases.SIZES}
    return {size: spread for size, spread in points.items() if spread}


def _array_series(view, case, mode):
    series = []
    for floor, color in (("memcpy", "#444444"), ("memcpy-by-two", "#999999")):
        points = _points(view, "floors", floor, mode)
        if points and not case.endswith("reserved"):
            title = "floor: memcpy" + (" by two threads" if "two" in floor else "")
            series.append((title, color, True, points))
    for c in view.ours:
        points = _points(view, c.name, case, mode)
        if points:
            series.append((c.title, c.color, False, points))
    return series


def _array_table(view, case, mode):
    """Medians and, below, how many times the memcpy of the bytes they are."""
    series = _array_series(view, case, mode)
    sizes = [s for s in cases.SIZES if any(s in points for *_, points in series)]
    floor = _points(view, "floors", "memcpy", mode)
    rows, classes = [], []
    for title, _, dashed, points in series:
        row = [Text(title)]
        for size in sizes:
            if size not in points:
                row.append("-")
                continue
            cell = _with_spread(points[size], time_name)
            if size in floor and not case.endswith("reserved"):
                cell += "<br><small>%s x memcpy</small>" % _ratio(points[size], floor[size])
            row.append(Raw(cell))
        rows.append(row)
        classes.append("floor" if dashed else "ours" if title.startswith("slabpipe") else "")
    return html.table([""] + [cases.size_name(s) for s in sizes], rows, classes)


def _array_bars(view, case, size):
    ours = view.results.time("slabpipe", case, size, "untouched")
    rows = []
    for c in view.ours:
        time = view.results.time(c.name, case, size, "untouched")
        if ours and time and c.name != "slabpipe":
            ratios = {k: time[k] / ours["median"] for k in ("median", "low", "high")}
            rows.append((c.title, c.color, ratios))
    return rows


def arrays(view):
    """Arrays by case, touched and untouched apart."""
    text = paragraph(
        "Untouched: the receiver looks at one element, so that only the way is measured. Touched: "
        "it reads every element and says their sum. Shaded: lowest to highest round."
    )
    if charts.available:
        bars = []
        for size in (64 * cases.KIB, cases.MIB, 16 * cases.MIB):
            rows = _array_bars(view, "in-copied", size)
            if rows:
                name = "in, untouched, %s: how many times slabpipe's time" % cases.size_name(size)
                bars.append(html.figure(name, charts.bars(rows, "slabpipe's time")))
        text += html.figures(bars)
    for case, title in _ARRAY_TITLES.items():
        figures, tables = [], ""
        for mode, touch in _TOUCH.items():
            series = _array_series(view, case, mode)
            if not any(not dashed for _, _, dashed, _ in series):
                continue
            name = "%s; %s" % (title, touch)
            if charts.available:
                figures.append(html.figure(name, charts.sizes(series)))
            tables += "<h3>%s</h3>%s" % (name, _array_table(view, case, mode))
        text += html.figures(figures)
        text += html.details("as tables: " + title, tables) if figures else tables
    return text


def many(view):
    """2,500 arrays in one call."""
    rows, classes = [], []
    modes = list(_TOUCH)
    floors = [("floors", "memcpy-of-many", 2500, mode) for mode in modes]
    lines = [("floor: memcpy, array by array", "floor", floors)]
    for case, title in (
        ("many-copied", "copied"),
        ("many-reserved", "rows of one reserved array"),
        ("many-reserved-each", "each reserved for itself"),
    ):
        for c in view.ours:
            keys = [(c.name, case, 2500, mode) for mode in modes]
            if any(view.results.has(*key) for key in keys):
                lines.append(("%s, %s" % (c.title, title), _row_class(c), keys))
    for title, row_class, keys in lines:
        row = [Text(title)]
        for key, floor in zip(keys, floors):
            row += [view.cell(*key), _ratio(view.results.time(*key), view.results.time(*floor))]
        wire = view.results.number("message_bytes_per_array", *keys[0])
        row.append("-" if wire is None else "%.3g" % wire["median"])
        rows.append(row)
        classes.append(row_class)
    head = ["", "untouched", "/ memcpy", "touched", "/ memcpy", "message bytes an array"]
    return paragraph("2,500 arrays of 1,000 doubles, 20 MB, in one call.") + html.table(
        head, rows, classes
    )


def callers(view):
    """Several threads that call at once."""
    rows = []
    for c in view.ours:
        for count in (1, 8, 32):
            key = (c.name, "callers", count, "free")
            rate = view.results.number("calls_per_second", *key)
            if rate:
                row = [Text(c.title), count, _with_spread(rate, lambda n: "%.0f" % n)]
                row += [view.cell(*key, quantile=q) for q in ("p50", "p99", "p99.9", "max")]
                rows.append(row)
    head = ["", "threads", "calls a second", "wait, p50", "p99", "p99.9", "max"]
    return paragraph(
        "Small calls from several threads through one session: each thread has one call in flight "
        "all the time."
    ) + (html.table(head, rows) if rows else "")


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
                ratio = _ratio(view.results.time(*key), below)
                rows.append([Text(title), Text(c.title), view.cell(*key), ratio])
                classes.append(_row_class(c))
    return html.table(["", "", "median", "/ floor"], rows, classes)


def _touch_table(view):
    sizes = [s for s in cases.FIRST_TOUCH_SIZES if view.results.has("slabpipe", "first-touch", s, "free")]
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
        text = "%.4f system calls a small call on both sides together, over %d calls (strace). %s" % (
            syscalls["per_call"],
            syscalls["calls"],
            "They were: %s." % names if names else "",
        )
    else:
        text = "System calls were not counted: %s." % syscalls["why"]
    rows = []
    for c in view.ours:
        rounds = view.results.rounds(c.name, "steady", 64, "arrays")
        for answer in rounds:
            numbers = answer["numbers"]
            rows += [[Text(c.title), Text(name.replace("_", " ")), "%d" % n] for name, n in numbers.items()]
    grown = "Growth over the calls, one in ten with an array of 64 KiB in, one with one out:"
    return paragraph(text) + paragraph(grown) + (html.table(["", "", ""], rows) if rows else "")
