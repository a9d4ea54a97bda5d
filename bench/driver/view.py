"""The results as the page's parts read them, and how figures are shown in cells."""

from driver.charts import number_name, time_name
from driver.html import Raw


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
        return "-" if spread is None else with_spread(spread, time_name)

    def curve(self, *key):
        """The distribution of the round whose median is the rounds' median."""
        rounds = self.results.rounds(*key)
        if not rounds:
            return None
        ordered = sorted(rounds, key=lambda answer: answer["samples"]["p50"])
        return ordered[len(ordered) // 2]["samples"]["curve"]


def with_spread(spread, name):
    text = "%s<br><small>%s - %s</small>"
    return Raw(text % (name(spread["median"]), name(spread["low"]), name(spread["high"])))


def ratio(ours, floor):
    if ours is None or floor is None or floor["median"] <= 0:
        return "-"
    return number_name(ours["median"] / floor["median"])


def row_class(contestant):
    return contestant.kind if contestant.kind != "peer" else ""
