"""The way of a request as a row of stations that light up with who is at them, at one instant of a run."""

from __future__ import annotations

from labs.contract import Figure, Role, Words
from labs.q14_serving.live_seen import Instant, LiveResult, Run

STATIONS = ("client", "queue", "breaker", "engine")
SIZE, GROWTH, LARGEST = 26, 5, 54
"""Pixels of a station with nobody, for each request at it, and at most."""


def path_figure(result: LiveResult, text: Words) -> Figure:
    """A row for each service. Grey: nobody is there; orange: it keeps requests off, or does not answer."""
    services, view = result["services"], result["view"]
    figure = Figure(height=90 + 150 * len(services))
    places = list(range(len(STATIONS)))
    for row, (name, run) in enumerate(services.items()):
        now: Instant = view["services"][name]
        figure.line(places, [-row] * len(places), "peer", showlegend=False, width=1.5)
        for place, station in zip(places, STATIONS, strict=True):
            role, count, words = _station(station, now, run, text)
            size = min(LARGEST, SIZE + GROWTH * count)
            figure.marks([place], [-row], role, showlegend=False, size=size, hover=words)
            figure.words([place], [-row + 0.34], [text(f"live.{station}")])
            figure.words([place], [-row - 0.36], [words])
        figure.words([-0.55], [-row], [text(f"live.{name}")])
    figure.x_axis(span=(-0.95, len(STATIONS) - 0.5), hidden=True)
    figure.y_axis(span=(-len(services) + 0.4, 0.6), hidden=True)
    return figure


def _station(station: str, now: Instant, run: Run, text: Words) -> tuple[Role, int, str]:
    """How it is painted, how many are there, and what is said of it."""
    if station == "client":
        return _lit(now["in_flight"]), now["in_flight"], text("live.in_flight", count=now["in_flight"])
    if station == "breaker":
        closed = now["breaker"] == "closed"
        return "formula" if closed else "said", 0, text(f"live.breaker_{now['breaker'].replace('-', '_')}")
    count = now["waiting" if station == "queue" else "running"]
    if count is None:
        return "said", 0, text("live.no_answer")
    if station == "queue":
        full = run["queue"] is not None and count >= run["queue"]
        return "said" if full else _lit(count), count, text("live.waits", count=count)
    return _lit(count), count, text("live.runs", count=count, slots=run["slots"])


def _lit(count: int) -> Role:
    return "measured" if count else "peer"
