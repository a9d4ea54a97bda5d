"""The page: goals, charts and tables of one run."""

from driver import charts, section_arrays, section_calls, section_life
from driver.cases import size_name
from driver.html import Raw, Text, page, paragraph, section, table
from driver.view import View


def _goals(judged):
    rows = []
    for goal in judged:
        name = charts.number_name
        spread = "" if goal.low is None else "%s - %s" % (name(goal.low), name(goal.high))
        value = "-" if goal.value is None else name(goal.value)
        bound = ("at least %g" if goal.at_least else "below %g" if goal.strictly else "%g") % (
            goal.bound
        )
        verdict = "ok" if goal.ok else "short"
        mark = Raw('<span class="%s">%s</span>' % (verdict, verdict))
        rows.append([Text(goal.name), mark, value, bound, spread, Text(goal.why or goal.meaning)])
    return table(["goal", "", "median", "bound", "rounds", "what"], rows)


def _machine(run):
    rows = [[Text(name), Text(text)] for name, text in run["machine"].items()]
    return table(["", ""], rows)


def _left_out(run, able):
    titles = {c.name: c.title for c in able}
    rows = [[Text(name), Text("everything"), Text(why)] for name, why in run["left_out"].items()]
    seen = {}
    for entry in run["unsupported"]:
        key = (entry["contestant"], entry["case"], entry["why"])
        seen.setdefault(key, []).append(entry)
    for contestant, case, why in seen:
        rows.append([Text(titles.get(contestant, contestant)), Text(case), Text(why)])
    for entry in run["broken"]:
        what = "%s %s %s" % (entry["case"], entry["mode"], size_name(entry["size"]))
        name = titles.get(entry["contestant"], entry["contestant"])
        rows.append([Text(name), Text(what), Text("broke: " + entry["why"])])
    if not rows:
        return paragraph("Nothing.")
    return table(["who", "what", "why"], rows)


_HOW_TO_READ = (
    "Main and worker are two real processes for every contestant, and each answer is "
    "checked. All were measured in turn, round by round. A figure is the median over the rounds of "
    "the rounds' medians; what stands behind or below it is the lowest and the highest round. "
    "Absolute times belong to this machine at this hour; ratios hold longer."
)


def render(run, results, able, judged):
    """The whole page. `run` is what results.json holds, `able` who took part."""
    view = View(results, able)
    reached = sum(goal.ok for goal in judged)
    parts = [
        ("goals", "Goals", _goals(judged)),
        ("ratios", "Ratios", section_calls.overview(view)),
        ("small", "Small call", section_calls.small(view)),
        ("arrays", "Arrays", section_arrays.arrays(view)),
        ("many", "2,500 arrays", section_arrays.many(view)),
        ("callers", "Callers at once", section_calls.callers(view)),
        ("life", "Start, death, first touch", section_life.life(view)),
        ("steady", "Steady state", section_life.steady(view, run["syscalls"])),
        ("machine", "Machine", _machine(run)),
        ("left-out", "Not measured", _left_out(run, able)),
    ]
    lead = paragraph(
        "%s, %s run, measured for %d s on %s. %d of %d goals reached."
        % (run["date"], run["scale"], run["seconds"], run["machine"]["CPU"], reached, len(judged))
    )
    lead += paragraph(_HOW_TO_READ)
    if not charts.available:
        lead += paragraph("There are no charts: package python3-matplotlib is not installed.")
    body = lead + "".join(section(name, title, content) for name, title, content in parts)
    return page("slabpipe benchmarks", [(name, title) for name, title, _ in parts], body)
