"""What was measured: rounds by contestant and case, and their medians with spread."""

import statistics


def spread(values):
    """{"median", "low", "high", "rounds"} of one figure over the rounds."""
    return {
        "median": statistics.median(values),
        "low": min(values),
        "high": max(values),
        "rounds": len(values),
    }


class Results:
    def __init__(self):
        self._rounds = {}  # (contestant, case, size, mode) -> answers
        self.unsupported = {}  # the same -> why
        self.broken = []  # (contestant, case, size, mode, why)

    def add(self, contestant, case, answer):
        key = (contestant, *case.key)
        if "unsupported" in answer:
            self.unsupported[key] = answer["unsupported"]
        else:
            self._rounds.setdefault(key, []).append(answer)

    def add_broken(self, contestant, case, why):
        self.broken.append((contestant, *case.key, why))

    def has(self, *key):
        return key in self._rounds

    def rounds(self, contestant, case, size, mode):
        return self._rounds.get((contestant, case, size, mode), [])

    def keys(self):
        return list(self._rounds)

    def time(self, contestant, case, size, mode, quantile="p50"):
        """Spread over the rounds of a quantile, in microseconds; None if nothing was measured."""
        rounds = self.rounds(contestant, case, size, mode)
        values = [r["samples"][quantile] for r in rounds if r["samples"]["count"]]
        return spread(values) if values else None

    def number(self, name, contestant, case, size, mode):
        """Spread over the rounds of one of the case's own numbers; None likewise."""
        rounds = self.rounds(contestant, case, size, mode)
        values = [r["numbers"][name] for r in rounds if name in r["numbers"]]
        return spread(values) if values else None

    def note(self, name, contestant, case, size, mode):
        notes = {r["notes"].get(name) for r in self.rounds(contestant, case, size, mode)}
        return ", ".join(sorted(note for note in notes if note))

    def to_json(self):
        measured = []
        for key in sorted(self._rounds):
            contestant, case, size, mode = key
            rounds = self._rounds[key]
            measured.append(
                {
                    "contestant": contestant,
                    "case": case,
                    "size": size,
                    "mode": mode,
                    "p50_us": self.time(*key),
                    "p99_us": self.time(*key, quantile="p99"),
                    "rounds": rounds,
                }
            )
        names = ("contestant", "case", "size", "mode", "why")
        return {
            "measured": measured,
            "unsupported": [dict(zip(names, (*k, why))) for k, why in self.unsupported.items()],
            "broken": [dict(zip(names, entry)) for entry in self.broken],
        }
