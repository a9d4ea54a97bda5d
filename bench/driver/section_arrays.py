"""The page's parts about arrays: one, and many in a call."""

from driver import cases, charts, html
from driver.charts import time_name
from driver.html import Raw, Text, paragraph
from driver.view import ratio, row_class, with_spread

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
            cell = with_spread(points[size], time_name)
            if size in floor and not case.endswith("reserved"):
                cell += "<br><small>%s x memcpy</small>" % ratio(points[size], floor[size])
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
                lines.append(("%s, %s" % (c.title, title), row_class(c), keys))
    for title, style, keys in lines:
        row = [Text(title)]
        for key, floor in zip(keys, floors):
            row += [view.cell(*key), ratio(view.results.time(*key), view.results.time(*floor))]
        wire = view.results.number("message_bytes_per_array", *keys[0])
        row.append("-" if wire is None else "%.3g" % wire["median"])
        rows.append(row)
        classes.append(style)
    head = ["", "untouched", "/\u00a0memcpy", "touched", "/\u00a0memcpy", "message bytes an array"]
    return paragraph("2,500 arrays of 1,000 doubles, 20 MB, in one call.") + html.table(
        head, rows, classes
    )
