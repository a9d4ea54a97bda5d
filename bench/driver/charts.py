"""Charts, as SVG to be put into a page. Needs matplotlib; `available` says if it is there."""

import io

try:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot, ticker

    available = True
except ImportError:
    available = False

_STYLE = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "slabpipe",  # equal charts are equal files
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "sans-serif"],
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "lines.linewidth": 1.6,
}


def number_name(number):
    """Three digits, never in powers of ten."""
    return "%.0f" % number if abs(number) >= 1000 else "%.3g" % number


def time_name(us):
    """A time with its unit, three digits."""
    if us is None:
        return "-"
    if us < 1000:
        return "%.3g us" % us
    return "%.3g ms" % (us / 1000) if us < 1e6 else "%.3g s" % (us / 1e6)


def _size_tick(size, _=None):
    for unit, name in ((1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")):
        if size >= unit:
            return "%g%s" % (size / unit, name)
    return "%g" % size


def _finish(figure):
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    # As wide as the page lets it: the view box keeps the proportions.
    head, _, rest = svg.partition(">")
    words = [w for w in head.split(" ") if not w.startswith(("width=", "height="))]
    return " ".join(words) + ' role="img">' + rest


def _time_axis(axis):
    axis.set_major_locator(ticker.LogLocator(base=10, numticks=12))
    axis.set_major_formatter(ticker.FuncFormatter(lambda us, _: time_name(us)))
    axis.set_minor_locator(ticker.NullLocator())


def _legend(axes, entries):
    columns = 2 if entries > 3 else max(entries, 1)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncol=columns)


def sizes(series):
    """Size against time, both logarithmic. series: (title, color, dashed, {size: spread})."""
    with pyplot.rc_context(_STYLE):
        figure, axes = pyplot.subplots(figsize=(6, 4))
        ticks = sorted({size for *_, points in series for size in points})
        for title, color, dashed, points in series:
            xs = sorted(points)
            ys = [points[x]["median"] for x in xs]
            style = "--" if dashed else "-"
            marker = None if dashed else "o"
            axes.plot(xs, ys, style, marker=marker, markersize=4, color=color, label=title)
            low, high = [points[x]["low"] for x in xs], [points[x]["high"] for x in xs]
            axes.fill_between(xs, low, high, color=color, alpha=0.15, linewidth=0)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(ticks)
        axes.xaxis.set_major_formatter(ticker.FuncFormatter(_size_tick))
        axes.xaxis.set_minor_locator(ticker.NullLocator())
        _time_axis(axes.yaxis)
        axes.set_xlabel("bytes")
        _legend(axes, len(series))
        return _finish(figure)


def distribution(series):
    """Which share of the calls took longer than a time. series: (title, color, dashed, curve)."""
    with pyplot.rc_context(_STYLE):
        figure, axes = pyplot.subplots(figsize=(6, 4))
        for title, color, dashed, curve in series:
            points = [(us, 1 - fraction) for fraction, us in curve if fraction < 1 and us > 0]
            xs, ys = [us for us, _ in points], [share for _, share in points]
            axes.plot(xs, ys, "--" if dashed else "-", color=color, label=title)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_ylim(0.0008, 1.1)
        axes.set_yticks([1, 0.5, 0.1, 0.01, 0.001])
        axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda y, _: "%g %%" % (100 * y)))
        axes.yaxis.set_minor_locator(ticker.NullLocator())
        _time_axis(axes.xaxis)
        axes.set_xlabel("took longer than")
        axes.set_ylabel("share of the calls")
        _legend(axes, len(series))
        return _finish(figure)


def bars(rows, one):
    """Horizontal, logarithmic bars of ratios. rows: (title, color, spread); `one` names 1."""
    with pyplot.rc_context(_STYLE):
        figure, axes = pyplot.subplots(figsize=(6, 0.9 + 0.36 * len(rows)))
        rows = list(reversed(rows))
        values = [spread["median"] for _, _, spread in rows]
        below = [max(0, s["median"] - s["low"]) for _, _, s in rows]
        above = [max(0, s["high"] - s["median"]) for _, _, s in rows]
        axes.barh(
            range(len(rows)),
            values,
            xerr=(below, above),
            color=[color for _, color, _ in rows],
            error_kw={"ecolor": "#333333", "elinewidth": 1},
            height=0.66,
        )
        axes.set_xscale("log")
        axes.set_xlim(min(0.5, min(values) / 2), max(s["high"] for *_, s in rows) * 4)
        for place, (_, _, spread) in enumerate(rows):
            text = " " + number_name(spread["median"])
            axes.text(max(spread["high"], spread["median"]), place, text, va="center")
        axes.axvline(1, color="#444444", linewidth=1, linestyle="--")
        axes.set_yticks(range(len(rows)))
        axes.set_yticklabels([title for title, _, _ in rows])
        axes.tick_params(axis="y", length=0)
        axes.grid(False, axis="y")
        axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda x, _: "%g" % x))
        axes.xaxis.set_minor_locator(ticker.NullLocator())
        axes.set_xlabel("times " + one)
        return _finish(figure)
